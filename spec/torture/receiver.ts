/**
 * An endpoint as a process of its own, which may be killed at any time: writes the text of each delivery to a file before it
 * accepts. Arguments: the options of the endpoint as JSON, and the file.
 */
import { openSync, writeSync } from 'node:fs';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { EndpointOptions } from '../../lib/endpoint/options.js';

const [options = '{}', file = ''] = process.argv.slice(2);
const log = openSync(file, 'a');
const endpoint = await Endpoint.connect(JSON.parse(options) as EndpointOptions);
endpoint.receive((delivery) => {
  writeSync(log, `${delivery.text()}\n`);
});
process.stdout.write('attached\n');
