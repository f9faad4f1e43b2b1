/** The chat page in a browser, as a person uses it. */
import { setTimeout } from 'node:timers/promises';
import axe, { type AxeResults } from 'axe-core';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { profile } from './chromium.js';
import { type LocalMesh, passwordOf } from './local-mesh.js';

/** Waits of the page's own end in a second or less; a loaded machine takes longer. */
export const PATIENCE_MS = 20_000;

/** Somebody with a browser of their own. */
export class Person {
  readonly address: string;
  readonly context: BrowserContext;
  /** Errors of the page and of the browser about it. */
  readonly complaints: string[] = [];
  readonly #url: string;

  private constructor(address: string, context: BrowserContext, url: string) {
    this.address = address;
    this.context = context;
    this.#url = url;
    context.setDefaultTimeout(PATIENCE_MS);
    context.on('weberror', (error) => void this.complaints.push(String(error.error())));
    context.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
  }

  /** @param url of the relay's page */
  static async at(
    browser: Browser,
    address: string,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<Person> {
    return new Person(address, await profile(browser, options), url);
  }

  async open(): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(this.#url);
    return page;
  }

  async logIn(page: Page, password = passwordOf(this.address)): Promise<void> {
    await page.getByLabel('Address').fill(this.address);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Log in' }).click();
  }

  /** A page with the list of conversations. */
  async enter(): Promise<Page> {
    const page = await this.open();
    await this.logIn(page);
    await page.getByRole('navigation', { name: 'Conversations' }).waitFor();
    return page;
  }

  /** What the pages show now, and what they complained of: for the report of a spec that failed. */
  async shown(): Promise<string> {
    const texts = this.context.pages().map((page) => page.locator('body').innerText({ timeout: 2000 }).catch(String));
    return [`${this.address} sees:`, ...(await Promise.all(texts)), ...this.complaints].join('\n');
  }

  close(): Promise<void> {
    return this.context.close();
  }
}

/** The people of a spec, each with a browser of their own, at the relays of a mesh. */
export class People {
  readonly #browser: Browser;
  readonly #mesh: LocalMesh;
  readonly #here: Person[] = [];

  constructor(browser: Browser, mesh: LocalMesh) {
    this.#browser = browser;
    this.#mesh = mesh;
  }

  /** URL of the page of a domain's relay. */
  pageOf(domain: string): string {
    return `${this.#mesh.url(domain).replace(/^wss/, 'https')}/chat`;
  }

  /** Somebody at the relay of their domain. */
  async person(address: string, options?: BrowserContextOptions): Promise<Person> {
    const domain = address.slice(address.lastIndexOf('@') + 1);
    const one = await Person.at(this.#browser, address, this.pageOf(domain), options);
    this.#here.push(one);
    return one;
  }

  /** After each spec: all leave, and what they saw is printed where it failed. */
  async leave(passed: boolean): Promise<void> {
    if (!passed) for (const person of this.#here) console.log(await person.shown());
    for (const person of this.#here.splice(0)) await person.close();
    await this.#mesh.leave();
  }
}

/** Adds somebody, which opens the conversation with them. */
export async function add(page: Page, address: string): Promise<void> {
  await page.getByRole('button', { name: 'Add somebody' }).first().click();
  await page.getByLabel('Their address').fill(address);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('heading', { name: address, level: 1 }).waitFor();
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message to' }).fill(text);
  await page.keyboard.press('Enter');
}

/** A message in the conversation in view, once it is there and, if a state is given, in that state. */
export async function message(page: Page, text: string, state?: string): Promise<Locator> {
  let found = page.getByRole('log').getByRole('listitem').filter({ hasText: text });
  if (state !== undefined) found = found.filter({ has: page.getByTitle(state, { exact: true }) });
  await found.last().waitFor();
  return found.last();
}

/** Waits for what the page's policy lets no script of the spec wait for. */
export async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what} has not come within ${PATIENCE_MS} ms`);
    await setTimeout(50);
  }
}

/** What axe-core finds wrong with a page: rule and element. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // Animations have colours of their own while they last.
  await page.evaluate('Promise.all(document.getAnimations().map(({ finished }) => finished))');
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<AxeResults>('axe.run(document, { resultTypes: ["violations"] })');
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
