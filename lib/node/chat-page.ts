/** The chat page: reads the files that the build has made of `web/chat/`, and tells them where they are served. */
import { PageFiles } from '../transport/web/page-files.js';
import { builtFiles, typeOf } from './built-page.js';

/** What the page has to know of its relay. */
export interface ChatSettings {
  /** Path of the WebSocket on the same host and port. */
  readonly webSocket: string;
  readonly domains: readonly string[];
}

/**
 * The chat page for a listener.
 *
 * @throws LocalError CONFIGURATION when the page was not built
 */
export function chatPage(path: string, settings: ChatSettings): PageFiles {
  const files = builtFiles('chat');
  files.set('settings.json', { type: typeOf('settings.json'), body: Buffer.from(JSON.stringify(settings)) });
  return new PageFiles(path, files);
}
