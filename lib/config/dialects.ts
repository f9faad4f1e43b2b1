/** Names of the dialects of the mesh in configurations and commands, the preferred one first. */
export const DIALECTS = ['imxp', 'apex'] as const;

export type DialectName = (typeof DIALECTS)[number];
