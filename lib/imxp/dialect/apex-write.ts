/** Writes operations as elements of the APEX core DTD (RFC 3340 §9.1). */
import { RefusedError } from '../../errors.js';
import { escapeAttribute, escapeText, legible } from '../../xml/write.js';
import type { Attach, Bind, Data, Recipient, Terminate } from '../operation.js';
import { toApex } from './apex-name.js';
import { APEX_OPTION } from './apex-read.js';
import { type DataPieces, piecesOf, writeHolder, writeOptions } from './elements.js';
import { NO_OPTIONS } from './option.js';

/** @throws LocalError ARGUMENT for characters that XML cannot represent; RefusedError REFUSED, reply 553, for a name */
export function writeApexAssociation(operation: Attach | Bind): string {
  const name =
    operation.type === 'attach'
      ? `endpoint='${escapeAttribute(said(operation.endpoint))}'`
      : `relay='${escapeAttribute(operation.relay)}'`;
  const tag = `<${operation.type} ${name} transID='${operation.transID}'`;
  const { options } = operation;
  return options.length === 0 ? `${tag} />` : `${tag}>${writeOptions(options, APEX_OPTION)}</${operation.type}>`;
}

/** Writes a terminate. Characters that XML cannot represent are replaced, because a diagnostic must get through. */
export function writeApexTerminate({ transID, code, text, lang }: Terminate): string {
  const why = code === undefined ? '' : ` code='${code}'`;
  const language = lang === undefined ? '' : ` xml:lang='${escapeAttribute(legible(lang))}'`;
  const tag = `<terminate${why}${language} transID='${transID}'`;
  return text === undefined ? `${tag} />` : `${tag}>${escapeText(legible(text))}</terminate>`;
}

/** @throws as {@link writeApexAssociation} */
export function writeApexData(data: Data): DataPieces {
  const { originator, originatorOptions = NO_OPTIONS, content, dataContent } = data;
  let text = `<data content='${escapeAttribute(content)}'>`;
  text += writeHolder('originator', 'identity', said(originator), originatorOptions, APEX_OPTION);
  for (const recipient of data.recipients) {
    text += writeHolder('recipient', 'identity', saidOf(recipient), recipient.options, APEX_OPTION);
  }
  return piecesOf(text + writeOptions(data.options, APEX_OPTION), dataContent);
}

function saidOf({ identity, written }: Recipient): string {
  return written ?? said(identity);
}

function said(identity: string): string {
  const name = toApex(identity);
  if (name !== undefined) return name;
  throw new RefusedError('REFUSED', { code: 553, text: 'the name cannot be written in APEX' }, `not a name in APEX`);
}
