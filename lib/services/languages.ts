/**
 * Translations of diagnostics into the languages that originators ask for with `localize` (core-01 §5). The relay's
 * texts are English; a text of another relay, or one without translation, goes on unchanged and without a claim about
 * its language.
 */
import { REPLIES } from '../relay/answer.js';

/** A text and its language; undefined if the language is unknown or the default. */
export interface Localized {
  readonly text: string;
  readonly lang: string | undefined;
}

type Texts = Readonly<Partial<Record<keyof typeof REPLIES, string>>>;

const GERMAN: Texts = {
  unknownEndpoint: 'diese Adresse gibt es hier nicht',
  unknownService: 'diesen Dienst gibt es hier nicht',
  notAttached: 'nicht angemeldet',
  accessDenied: 'der Empfänger erlaubt es nicht',
  noTransit: 'kein Weg zu dieser Domain: dieses Relay leitet nicht zwischen fremden Domains weiter',
  loop: 'kein Weg zu dieser Domain: er führte dorthin zurück, woher die Daten kamen',
  relayUnavailable: 'das nächste Relay ist nicht erreichbar',
  addressInvalid: 'der Empfänger hat nicht die Form name@domain',
  busy: 'der Empfänger ist überlastet',
  noAnswer: 'keine Antwort in der gesetzten Zeit',
  endpointLost: 'die Verbindung zum Empfänger brach ab, bevor er antwortete',
  relayLost: 'die Verbindung zum nächsten Relay brach ab, bevor es antwortete',
  endpointUnsent: 'die Verbindung zum Empfänger wird gerade beendet',
  relayUnsent: 'die Verbindung zum nächsten Relay wird gerade beendet',
  answerInvalid: 'die Antwort des Empfängers war unverständlich',
  relayAnswerInvalid: 'die Antwort des nächsten Relays war unverständlich',
  expired: 'nicht innerhalb der gesetzten Zeit zugestellt',
  delayed: 'die Zustellung dauert länger als erwartet, und geht weiter',
  hopsUsedUp: 'mehr Relays auf dem Weg, als erlaubt waren',
  heldTooLong: 'so lange aufbewahrt wie möglich, und der Empfänger hat sich nicht angemeldet',
};

const OWN: ReadonlySet<string> = new Set(Object.values(REPLIES).map(({ text }) => text));

/** Translations by language, then by the English text. */
const LANGUAGES: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([['de', byEnglish(GERMAN)]]);

function byEnglish(texts: Texts): ReadonlyMap<string, string> {
  const keys = Object.keys(REPLIES) as (keyof typeof REPLIES)[];
  return new Map(keys.map((key) => [REPLIES[key].text as string, texts[key] ?? '']));
}

/**
 * @param text in English, or a text of another relay
 * @param localize language tags, best first; `de-AT` is served by `de` (RFC 1766 §2)
 */
export function localized(text: string, localize: string): Localized {
  if (!OWN.has(text)) return { text, lang: undefined };
  for (const tag of localize.toLowerCase().split(/\s+/)) {
    if (tag === 'i-default' || tag === '') continue;
    const [primary = ''] = tag.split('-');
    if (primary === 'en') return { text, lang: 'en' };
    const translation = LANGUAGES.get(primary)?.get(text);
    if (translation !== undefined && translation !== '') return { text: translation, lang: primary };
  }
  // RFC 2277 §4.5: i-default asks for a text that English readers understand.
  return { text, lang: undefined };
}
