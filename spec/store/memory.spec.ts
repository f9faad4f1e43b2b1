import { MemoryStore } from '../../lib/store/memory.js';
import { storeSuite } from '../support/suites/store.js';

describe('store/memory', () => {
  storeSuite({ open: async () => new MemoryStore() });
});
