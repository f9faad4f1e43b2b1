/** What several sections of the benchmark are told. */
import type { Way } from './mesh.js';

export interface Setting {
  /** Fewer and shorter rounds. */
  readonly quick: boolean;
  /** Directory of another build of the project, measured in the same rounds. */
  readonly against: string | undefined;
  readonly ways: readonly Way[];
}
