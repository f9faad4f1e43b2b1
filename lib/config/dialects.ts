/** How configurations and commands name the dialects of the mesh; what is preferred comes first. */
export const DIALECTS = ['imxp', 'apex'] as const;

export type DialectName = (typeof DIALECTS)[number];
