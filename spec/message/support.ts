/** Short ways to make and open the messages that several specs use. Knows the forms of message-service-01 §3. */
import { RemoteProtocolError } from '../../lib/errors.js';
import { makeData } from '../../lib/imxp/content.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Data } from '../../lib/imxp/operation.js';
import { type InstantMessage, type InstantMessageInit, instantMessage } from '../../lib/message/instant-message.js';
import { type Opened, openMessage } from '../../lib/message/open.js';
import { readMessage } from '../../lib/message/read.js';
import { type MessageForm, madeContent } from '../../lib/message/write.js';

const dialect = imxpDialect();

export const NAMESPACE = 'URN:IANA:message:rfc822:';
/** A message with the inside given; the namespace is the default one. */
export const document = (inner: string, attributes = ''): string =>
  `<message xmlns='${NAMESPACE}'${attributes}>${inner}</message>`;
export const read = (text: string): InstantMessage => readMessage(Buffer.from(text));
export const CRLF = (text: string): Buffer => Buffer.from(text.replace(/\r?\n/g, '\r\n'));

/** What is thrown, which must be the peer's fault. */
export function fault(act: () => unknown): RemoteProtocolError {
  try {
    act();
  } catch (error) {
    if (error instanceof RemoteProtocolError) return error;
    throw error;
  }
  throw new Error('accepted');
}

/** A payload as the relay would hand it over. */
export function received(payload: Buffer | string): Data {
  const operation = dialect.decode(Buffer.from(payload));
  if (operation.type !== 'data') throw new Error(operation.type);
  return operation;
}

/** Makes a Data, writes it and reads it again. */
export function carried(content: Parameters<typeof makeData>[0]['content']): Data {
  const data = makeData({ originator: 'fred@example.com', recipients: ['barney@rubble.com'], content });
  const payload = data.source?.payload ?? dialect.encodeData(data);
  return received(Buffer.isBuffer(payload) ? payload : Buffer.concat(payload));
}

export const sent = (message: InstantMessage, form: MessageForm): Data =>
  carried(madeContent(message, form, 'example.com'));

/** A message after its journey. */
export function arrived(init: InstantMessageInit, form: MessageForm): InstantMessage {
  return messageIn(openMessage(sent(instantMessage(init), form)));
}

export function messageIn(opened: Opened): InstantMessage {
  if (opened.kind !== 'message') throw new Error(opened.kind);
  return opened.message;
}

/** A control document whose content is a part; then the other parts, each with its headers. */
export function related(content: string, ...parts: readonly string[]): Buffer {
  const control = `<data originator='ines@harbour.example' content='${content}'><recipient identity='otto@quay.example' /></data>`;
  const all = ['Content-Type: text/xml\nContent-ID: <c@harbour.example>\n\n'.concat(control), ...parts];
  return CRLF(
    `Content-Type: multipart/related; boundary="=_m"; start="<c@harbour.example>"; type="text/xml"\n\n${all
      .map((part) => `--=_m\n${part}\n`)
      .join('')}--=_m--\n`,
  );
}
