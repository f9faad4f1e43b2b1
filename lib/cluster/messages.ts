/** Messages of the directory: what the node that keeps it tells the others, and what they tell it. */

/** The way to an endpoint that is attached at a node: [address, name of the node, claim]; without a node by the center. */
export type Placement = readonly [key: string, node: string | null, claim: number];

/** A node, and the socket on which it takes the sessions of the others. */
export interface Member {
  readonly name: string;
  readonly path: string;
}

export interface DirectoryChange {
  /** In the order in which they happened. */
  readonly placed?: readonly Placement[] | undefined;
  /** Foreign domains that are bound at a node, or at none any longer. */
  readonly bound?: readonly (readonly [domain: string, node: string | null])[] | undefined;
  /** All nodes but the center, when one comes or goes. */
  readonly members?: readonly Member[] | undefined;
}
