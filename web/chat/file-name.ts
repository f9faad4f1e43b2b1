/** Names of files in Content-Disposition. */

export function disposition(name: string): string {
  const plain = name.replace(/[^ -~]/gu, '_').replace(/["\\]/g, '\\$&');
  if (/^[ -~]*$/.test(name)) return `attachment; filename="${plain}"`;
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** The name without directories; undefined where there is none. */
export function nameIn(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const extended = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)/i.exec(value)?.[1];
  const [, quoted, token] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(value) ?? [];
  const name = decoded(extended) ?? quoted?.replace(/\\(.)/g, '$1') ?? token;
  // A name that turns its own direction would show another extension than it has.
  return (
    name
      ?.split(/[/\\]/)
      .at(-1)
      ?.replace(/[\p{C}]/gu, '') || undefined
  );
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    // Not valid, so the plain parameter has to do.
    return undefined;
  }
}
