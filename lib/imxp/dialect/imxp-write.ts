/** Writes operations as elements of the IMXP core DTD (core-01 §9.1). */
import { escapeAttribute } from '../../xml/write.js';
import type { Attach, Bind, Data, Terminate } from '../operation.js';
import { type DataPieces, piecesOf, writeHolder, writeOptions } from './elements.js';
import { IMXP_OPTION } from './imxp-read.js';

/** @throws LocalError ARGUMENT for characters that XML cannot represent */
export function writeImxpAssociation(operation: Attach | Bind): string {
  const name =
    operation.type === 'attach'
      ? `endpoint='${escapeAttribute(operation.endpoint)}'`
      : `relay='${escapeAttribute(operation.relay)}'`;
  const tag = `<${operation.type} ${name} transID='${operation.transID}'`;
  const { options } = operation;
  return options.length === 0 ? `${tag} />` : `${tag}>${writeOptions(options, IMXP_OPTION)}</${operation.type}>`;
}

/** D-APEX-04: IMXP cannot express why an association ends. */
export function writeImxpTerminate({ transID }: Terminate): string {
  return `<terminate transID='${transID}' />`;
}

export function writeImxpData(data: Data): DataPieces {
  const { originator, content, dataContent, originatorOptions } = data;
  let text = `<data originator='${escapeAttribute(originator)}' content='${escapeAttribute(content)}'>`;
  for (const { identity, options } of data.recipients) {
    text += writeHolder('recipient', 'identity', identity, options, IMXP_OPTION);
  }
  text += writeOptions(data.options, IMXP_OPTION);
  // D-APEX-02: APEX per-originator options become per-data options.
  if (originatorOptions !== undefined) {
    text += writeOptions(originatorOptions, IMXP_OPTION);
  }
  return piecesOf(text, dataContent);
}
