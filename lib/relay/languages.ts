/**
 * Translations of diagnostics into the languages that originators ask for with `localize` (core-01 §5), in the answers to
 * operations and in reports. The relay's texts are English; a text of another relay or of an application, or one without
 * translation, goes on unchanged, with the language that came with it.
 */
import type { Reply } from '../errors.js';
import type { Attach, Bind, Data, Option } from '../imxp/operation.js';
import { REPLIES } from './answer.js';
import { NOT_UNDERSTOOD } from './options.js';

/** A text and its language; undefined if the language is unknown or the default. */
export interface Localized {
  readonly text: string;
  readonly lang: string | undefined;
}

const DEFAULT = 'i-default';

const GERMAN: Readonly<Record<keyof typeof REPLIES, string>> = {
  unknownEndpoint: 'diese Adresse gibt es hier nicht',
  unknownService: 'diesen Dienst gibt es hier nicht',
  notAttached: 'nicht angemeldet',
  accountDisabled: 'das Konto ist gesperrt: wenden Sie sich an den Betreiber des Relays seiner Domain',
  accessDenied: 'der Empfänger erlaubt es nicht',
  noTransit: 'kein Weg zu dieser Domain: dieses Relay leitet nicht zwischen fremden Domains weiter',
  loop: 'kein Weg zu dieser Domain: er führte dorthin zurück, woher die Daten kamen',
  relayUnavailable: 'das nächste Relay ist nicht erreichbar',
  addressInvalid: 'der Empfänger hat nicht die Form name@domain',
  uncommonName: 'ein Name lässt sich im Dialekt des nächsten Relays nicht schreiben: IMXP und APEX haben andere Namen',
  busy: 'der Empfänger ist überlastet',
  tooManyData: 'Sie senden zu schnell: warten Sie eine Sekunde und senden Sie es noch einmal',
  tooManyOctets: 'Sie senden zu viele Daten: warten Sie einige Sekunden und senden Sie es noch einmal',
  tooManyAttach: 'Sie melden sich zu oft an: warten Sie eine Sekunde und versuchen Sie es noch einmal',
  relayBusy: 'das Relay ist überlastet: auf diesem Kanal warten zu viele Operationen',
  noAnswer: 'keine Antwort in der gesetzten Zeit',
  endpointLost: 'die Verbindung zum Empfänger brach ab, bevor er antwortete',
  relayLost: 'die Verbindung zum nächsten Relay brach ab, bevor es antwortete',
  endpointUnsent: 'die Verbindung zum Empfänger wird gerade beendet',
  relayUnsent: 'die Verbindung zum nächsten Relay wird gerade beendet',
  answerInvalid: 'die Antwort des Empfängers war unverständlich',
  relayAnswerInvalid: 'die Antwort des nächsten Relays war unverständlich',
  lookupFailed: 'der Empfänger ließ sich nicht nachschlagen',
  domainLookupFailed: 'die Domain ließ sich im DNS nicht nachschlagen: versuchen Sie es später noch einmal',
  expired: 'nicht innerhalb der gesetzten Zeit zugestellt',
  delayed: 'die Zustellung dauert länger als erwartet, und geht weiter',
  hopsUsedUp: 'mehr Relays auf dem Weg, als erlaubt waren',
  heldEnough: 'für diese Adresse ist genug aufbewahrt: senden Sie es noch einmal, wenn sie angemeldet ist',
  heldShare: 'Ihr Anteil an dem, was dieses Relay aufbewahrt, ist verbraucht: senden Sie es später noch einmal',
  accountGone: 'das Konto, für das es aufbewahrt wurde, gibt es nicht mehr',
  heldAll: 'dieses Relay kann nichts mehr aufbewahren: senden Sie es später noch einmal',
  heldTooLarge: 'zu groß, um aufbewahrt zu werden: senden Sie es, wenn der Empfänger angemeldet ist',
  heldUntimed: 'nicht angemeldet, und hier wird nur mit einer Frist aufbewahrt: senden Sie es mit dataTiming',
  heldTooLong: 'so lange aufbewahrt wie möglich, und der Empfänger hat sich nicht angemeldet',
  heldNotWritten: 'dieses Relay konnte die Nachricht nicht speichern: senden Sie sie später noch einmal',
  heldFailed: 'dieses Relay konnte die Nachricht nicht speichern, oder weiß nicht, ob es sie gespeichert hat',
  internal: 'abgebrochen: ein Fehler in diesem Relay',
  ended: 'der Betreiber hat diese Anmeldung beendet',
  shuttingDown: 'dieses Relay wird gerade beendet',
};

/** What other parts of the relay refuse with; by the English text. */
const GERMAN_OTHERS: Readonly<Record<string, string>> = {
  'TLS is required here: start TLS first': 'hier ist TLS vorgeschrieben: beginnen Sie erst TLS',
  'authentication required': 'melden Sie sich erst mit Namen und Kennwort an',
  'not authorized to attach as this endpoint': 'Sie dürfen sich nicht als diese Adresse anmelden',
  'not authorized to bind for this domain': 'Sie dürfen nicht für diese Domain sprechen',
  'not authorized to send data for this originator': 'Sie dürfen nicht für diesen Absender senden',
  'an application is already attached as this endpoint: attach as a subaddress such as name/laptop@domain, or end it':
    'unter dieser Adresse ist schon ein Programm angemeldet: nehmen Sie eine Unteradresse wie name/laptop@domain, oder beenden Sie es',
  'the endpoint is not of the form local@domain': 'die Adresse hat nicht die Form name@domain',
  'the originator is not of the form local@domain': 'der Absender hat nicht die Form name@domain',
  'this relay provides that service itself: policy.services hands it to an application':
    'diesen Dienst bietet das Relay selbst an: policy.services überlässt ihn einem Programm',
  'the limit of applications attached for this account is reached: end one of them':
    'für dieses Konto sind so viele Programme angemeldet, wie erlaubt sind: beenden Sie eines',
  'no relay for domain': 'zu dieser Domain gibt es kein Relay',
};

/** Of texts with something at their end; by the English beginning. */
const GERMAN_BEGINNINGS: Readonly<Record<string, string>> = { [NOT_UNDERSTOOD]: 'unbekannte Option: ' };

interface Language {
  readonly texts: ReadonlyMap<string, string>;
  readonly beginnings: Readonly<Record<string, string>>;
}

const KEYS = Object.keys(REPLIES) as (keyof typeof REPLIES)[];

const LANGUAGES: ReadonlyMap<string, Language> = new Map([
  [
    'de',
    {
      texts: new Map([
        ...KEYS.map((key): [string, string] => [REPLIES[key].text, GERMAN[key]]),
        ...Object.entries(GERMAN_OTHERS),
      ]),
      beginnings: GERMAN_BEGINNINGS,
    },
  ],
]);

/** Every text of this relay that is translated, in English. */
export const TRANSLATED: readonly string[] = [
  ...KEYS.map((key) => REPLIES[key].text),
  ...Object.keys(GERMAN_OTHERS),
  ...Object.keys(GERMAN_BEGINNINGS),
];
const OWN: ReadonlySet<string> = new Set(TRANSLATED);

/**
 * @param reply with a text in English, or one of another relay or of an application
 * @param localize language tags, best first; `de-AT` is served by `de` (RFC 1766 §2)
 */
export function localized({ text, lang }: Pick<Reply, 'text' | 'lang'>, localize: string): Localized {
  const beginning = Object.keys(GERMAN_BEGINNINGS).find((one) => text.startsWith(one));
  if (lang !== undefined || !(beginning !== undefined || OWN.has(text))) return { text, lang };
  for (const tag of localize.toLowerCase().split(/\s+/)) {
    if (tag === DEFAULT || tag === '') continue;
    const [primary = ''] = tag.split('-');
    if (primary === 'en') return { text, lang: 'en' };
    const translation = translated(LANGUAGES.get(primary), text, beginning);
    if (translation !== undefined) return { text: translation, lang: primary };
  }
  // RFC 2277 §4.5: i-default asks for a text that English readers understand.
  return { text, lang: undefined };
}

function translated(language: Language | undefined, text: string, beginning: string | undefined): string | undefined {
  if (beginning === undefined) return language?.texts.get(text);
  const begun = language?.beginnings[beginning];
  return begun && begun + text.slice(beginning.length);
}

/** The languages that the options of an operation ask for, best first; empty for the default. */
export function languagesOf(operation: Attach | Bind | Data): string {
  if (operation.type !== 'data') return languagesIn(operation.options);
  const { options, originatorOptions, recipients } = operation;
  const all = [options, originatorOptions ?? [], ...recipients.map((recipient) => recipient.options)];
  return all
    .map(languagesIn)
    .filter((languages) => languages !== '')
    .join(' ');
}

function languagesIn(options: readonly Option[]): string {
  const asked = options.filter(({ localize }) => localize !== DEFAULT);
  return asked.map(({ localize }) => localize).join(' ');
}
