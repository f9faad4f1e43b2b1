/** Names of files in Content-Disposition (RFC 2183 §2.3, RFC 2231 §4). */

/** The value of Content-Disposition for a file: an attachment with its name, encoded where it is not ASCII. */
export function disposition(name: string): string {
  const plain = name.replace(/[^ -~]/gu, '_').replace(/["\\]/g, '\\$&');
  if (/^[ -~]*$/.test(name)) return `attachment; filename="${plain}"`;
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/**
 * The name that a sender gave a file, without directories. It may still have characters that a terminal, a file system or a
 * page treats specially.
 *
 * @param value of Content-Disposition
 * @returns undefined where there is none
 */
export function fileNameIn(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const extended = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)/i.exec(value)?.[1];
  const [, quoted, token] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(value) ?? [];
  const name = decoded(extended) ?? quoted?.replace(/\\(.)/g, '$1') ?? token;
  return name?.split(/[/\\]/).at(-1) || undefined;
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    // Not valid, so the plain parameter has to do.
    return undefined;
  }
}
