/**
 * Operations to elements of the IMXP core DTD (IMXP core §5). Refuses to know payloads.
 */
import { escapeAttribute } from '../../xml/write.js';
import type { Attach, Bind, Data, Option, Terminate } from '../operation.js';
import { IMXP_OPTION } from './imxp-read.js';
import { writeOption } from './option.js';

/** @throws LocalError ARGUMENT for characters that XML cannot carry. */
export function writeAssociation(operation: Attach | Bind): string {
  const name =
    operation.type === 'attach'
      ? `endpoint='${escapeAttribute(operation.endpoint)}'`
      : `relay='${escapeAttribute(operation.relay)}'`;
  const tag = `<${operation.type} ${name} transID='${operation.transID}'`;
  const { options } = operation;
  return options.length === 0 ? `${tag} />` : `${tag}>${writeOptions(options)}</${operation.type}>`;
}

export function writeTerminate({ transID }: Terminate): string {
  return `<terminate transID='${transID}' />`;
}

/** A Data in up to three pieces; the middle one is the inside of data-content, the very octets. */
export function writeData(data: Data): [string] | [string, Buffer, string] {
  const { originator, content, dataContent } = data;
  let text = `<data originator='${escapeAttribute(originator)}' content='${escapeAttribute(content)}'>`;
  for (const { identity, options } of data.recipients) {
    const tag = `<recipient identity='${escapeAttribute(identity)}'`;
    text += options.length === 0 ? `${tag} />` : `${tag}>${writeOptions(options)}</recipient>`;
  }
  text += writeOptions(data.options);
  if (dataContent === undefined) {
    return [`${text}</data>`];
  }
  text += `<data-content Name='${escapeAttribute(dataContent.name)}'>`;
  return [text, dataContent.inner, '</data-content></data>'];
}

function writeOptions(options: readonly Option[]): string {
  let text = '';
  for (const option of options) {
    text += writeOption(option, IMXP_OPTION);
  }
  return text;
}
