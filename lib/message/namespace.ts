/**
 * Namespaces in XML 1.0, as needed for instant messages: resolves the namespace of a name. Control documents of the
 * mesh have no namespaces; this is for what they carry.
 */
import type { XmlElement } from '../xml/parse.js';
import { invalidMessage, shown } from './fault.js';

const XML = 'http://www.w3.org/XML/1998/namespace';
const XMLNS = 'http://www.w3.org/2000/xmlns/';
const NONE: ReadonlyMap<string, string> = new Map();

export interface QualifiedName {
  /** Empty for a name in no namespace. */
  readonly namespace: string;
  readonly local: string;
}

/** The namespace declarations in scope at a place in a document. */
export class Scope {
  /** Outside of the root element. */
  static readonly TOP = new Scope(NONE);

  /** Prefix to namespace; the default namespace has the prefix ''. */
  readonly prefixes: ReadonlyMap<string, string>;

  private constructor(prefixes: ReadonlyMap<string, string>) {
    this.prefixes = prefixes;
  }

  /** The scope of an element, including its own declarations. @throws RemoteProtocolError MESSAGE_INVALID, reply 501 */
  within(element: XmlElement): Scope {
    let prefixes: Map<string, string> | undefined;
    for (const [name, value] of element.attributes) {
      if (name !== 'xmlns' && !name.startsWith('xmlns:')) continue;
      prefixes ??= new Map(this.prefixes);
      const prefix = name.slice('xmlns:'.length);
      checkDeclaration(prefix, value);
      if (value === '') prefixes.delete('');
      else prefixes.set(prefix, value);
    }
    return prefixes === undefined ? this : new Scope(prefixes);
  }

  /**
   * @param name name of an element, whose prefix must be declared. @throws RemoteProtocolError MESSAGE_INVALID, reply
   *   501
   */
  resolve(name: string): QualifiedName {
    const colon = name.indexOf(':');
    if (colon < 0) return { namespace: this.prefixes.get('') ?? '', local: name };
    const [prefix, local] = [name.slice(0, colon), name.slice(colon + 1)];
    const namespace = prefix === 'xml' ? XML : this.prefixes.get(prefix);
    // Namespaces in XML 1.0 §4: a QName has at most one colon, with a name on both sides
    if (namespace === undefined || prefix === '' || local === '' || local.includes(':')) {
      throw invalidMessage(`element ${shown(name)}: its prefix is not declared`);
    }
    return { namespace, local };
  }
}

/** Namespaces in XML 1.0 §2.2, §3: declarations that are not allowed. */
function checkDeclaration(prefix: string, namespace: string): void {
  const reserved = prefix === 'xmlns' || namespace === XMLNS || (prefix === 'xml') !== (namespace === XML);
  if (reserved || prefix.includes(':') || (namespace === '' && prefix !== '')) {
    throw invalidMessage(`the namespace declaration of prefix ${shown(prefix)} is not allowed`);
  }
}
