import { expect } from 'chai';
import { apexDialect } from '../../lib/imxp/dialect/apex.js';
import type { Dialect } from '../../lib/imxp/dialect/dialect.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Data } from '../../lib/imxp/operation.js';
import { readStatusResponse } from '../../lib/imxp/vocabulary/status.js';
import { REPLIES } from '../../lib/relay/answer.js';
import { localized } from '../../lib/relay/languages.js';
import { ReportService } from '../../lib/services/report.js';
import { parseXml } from '../../lib/xml/parse.js';

function sent(
  localize: string,
  reply: { code: number; text: string } | undefined,
  dialect: Dialect = imxpDialect(),
): string {
  const all: Data[] = [];
  const service = new ReportService((data) => all.push(data));
  const identity = 'otto@quay.example';
  const to = 'ines@harbour.example';
  service.report({ domain: 'quay.example', to, transID: 3301, localize, destinations: [{ identity, reply }] });
  const [data] = all;
  if (data === undefined || all.length !== 1) throw new Error('exactly one report is expected');
  const payload = dialect.encodeData(data);
  return `${Buffer.isBuffer(payload) ? payload : Buffer.concat(payload)}`;
}

/** As the specification prints it, without the white space between elements. */
const PRINTED = `Content-Type: text/xml\r
\r
<data originator='imxp=report@quay.example' content='#R'>
  <recipient identity='ines@harbour.example' />
  <data-content Name='R'>
    <statusResponse transID='3301'>
      <destination identity='otto@quay.example'>
        <reply code='250' transID='3301' />
      </destination>
    </statusResponse>
  </data-content>
</data>\r
`.replace(/>\n +|>\n(?=<\/)/g, '>');

describe('services/report', () => {
  it('REQ-IMXP-042 sends a statusResponse with the transID of the option, as core-01 §6.2 describes it', () => {
    expect(sent('i-default', undefined)).to.equal(PRINTED);
  });

  it('REQ-IMXP-042 answers as apex=report to those who asked in APEX, as in the example of RFC 3340 §5.1', () => {
    const APEX = `Content-Type: application/beep+xml\r
\r
<data content='#R'>
  <originator identity='apex=report@quay.example' />
  <recipient identity='ines@harbour.example' />
  <data-content Name='R'>
    <statusResponse transID='3301'>
      <destination identity='otto@quay.example'>
        <reply code='550' transID='3301'>unknown endpoint identity</reply>
      </destination>
    </statusResponse>
  </data-content>
</data>\r
`.replace(/>\n +|>\n(?=<\/)/g, '>');
    expect(sent('i-default', REPLIES.unknownEndpoint, apexDialect())).to.equal(APEX);
  });

  it('REQ-IMXP-047 writes diagnostics in the requested language, and names it', () => {
    expect(sent('de-AT en', REPLIES.notAttached)).to.include(
      "<reply code='450' transID='3301' xml:lang='de'>nicht angemeldet</reply>",
    );
    expect(localized({ text: 'not attached' }, 'fr  en-GB de')).to.deep.equal({ text: 'not attached', lang: 'en' });
    expect(localized({ text: 'not attached' }, 'i-default')).to.deep.equal({ text: 'not attached', lang: undefined });
  });

  it('passes on the texts of others without naming their language', () => {
    expect(localized({ text: 'Zut alors' }, 'de')).to.deep.equal({ text: 'Zut alors', lang: undefined });
  });

  it('accepts no Data', () => {
    let code = 0;
    const never = { data: {} as Data, payload: () => Buffer.alloc(0) };
    new ReportService(() => {}).deliver(never, { delivered: () => {}, failed: (reply) => (code = reply.code) });
    expect(code).to.equal(550);
  });

  it('reads the reports of others, also the examples that have no transID in reply (D-CORE-29)', () => {
    const element = parseXml(
      Buffer.from(
        "<statusResponse transID='86'><destination identity='barney@rubble.com'><reply code='250' /></destination></statusResponse>",
      ),
    );
    expect(readStatusResponse(element)).to.deep.equal({
      type: 'statusResponse',
      transID: 86,
      destinations: [{ identity: 'barney@rubble.com', reply: { code: 250, text: '', lang: undefined } }],
    });
    for (const wrong of [
      "<statusResponse transID='86' />",
      "<statusResponse transID='86'><destination identity='b@rubble.com' /></statusResponse>",
      "<statusResponse><destination identity='b@rubble.com'><reply code='250'/></destination></statusResponse>",
      "<statusResponse transID='86'><destination><reply code='250'/></destination></statusResponse>",
    ]) {
      expect(() => readStatusResponse(parseXml(Buffer.from(wrong))), wrong)
        .to.throw()
        .with.nested.property('reply.code', 501);
    }
  });
});
