/**
 * Service worker of the chat page: serves the page from its cache while the relay cannot be reached, and opens the page
 * when a notification is chosen.
 */
declare const self: ServiceWorkerGlobalScope;

const CACHE = 'imxp-chat';
/** Names of the files that the page always loads, and of those that it loads for S/MIME; see `web/build.ts`. */
declare const PAGE_FILES: readonly string[];
declare const LATER_FILES: readonly string[];

const FILES = ['./', ...PAGE_FILES.map((name) => `./${name}`), './settings.json'];
const KEPT = [...FILES, ...LATER_FILES.map((name) => `./${name}`)];

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

/** The network first, so that a new version shows at once. */
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { pathname, origin } = new URL(request.url);
  const name = pathname.slice(new URL(self.registration.scope).pathname.length);
  if (request.method !== 'GET' || origin !== self.location.origin || !KEPT.includes(`./${name}`)) return;
  event.respondWith(answer(request, new URL(`./${name}`, self.registration.scope).href));
});

/** @param key without the query, which any link may have: each would be kept beside the others */
async function answer(request: Request, key: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(key, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(key);
    if (kept === undefined) throw error;
    return kept;
  }
}

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const peer = event.notification.tag;
  event.waitUntil(show(peer));
});

async function show(peer: string): Promise<void> {
  const [page] = await self.clients.matchAll({ type: 'window' });
  if (page === undefined) {
    await self.clients.openWindow(`./#${encodeURIComponent(peer)}`);
    return;
  }
  await page.focus();
  page.postMessage({ show: peer });
}
