/** Versions of S/MIME, by which the algorithms that others support are told apart. */

/** 3.1: RFC 3851 of 2004, which RFC 3860 asks for; 3.2: RFC 5751 of 2010; 4.0: RFC 8551. */
export type SmimeVersion = '3.1' | '3.2' | '4.0';

/** An older version, for correspondents who support nothing newer; `true` for the oldest. */
export type ClassicVersion = boolean | '3.1' | '3.2';

export function versionOf(classic: ClassicVersion): SmimeVersion {
  if (classic === false) return '4.0';
  return classic === true ? '3.1' : classic;
}
