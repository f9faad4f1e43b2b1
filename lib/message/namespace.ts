/**
 * Namespaces in XML 1.0, as far as instant messages need them: which namespace a name belongs to. The control documents of
 * the mesh know no namespaces; this is for what they carry.
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

/** The declarations in force at some place of a document. */
export class Scope {
  /** Outside of the root element. */
  static readonly TOP = new Scope(NONE);

  /** Prefix to namespace; the default namespace has the prefix ''. */
  readonly prefixes: ReadonlyMap<string, string>;

  private constructor(prefixes: ReadonlyMap<string, string>) {
    this.prefixes = prefixes;
  }

  /** The scope of an element, its own declarations included. @throws RemoteProtocolError MESSAGE_INVALID, reply 501 */
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

  /** @param name of an element; its prefix must be declared. @throws RemoteProtocolError MESSAGE_INVALID, reply 501 */
  resolve(name: string): QualifiedName {
    const colon = name.indexOf(':');
    if (colon < 0) return { namespace: this.prefixes.get('') ?? '', local: name };
    const [prefix, local] = [name.slice(0, colon), name.slice(colon + 1)];
    const namespace = prefix === 'xml' ? XML : this.prefixes.get(prefix);
    // Namespaces in XML 1.0 §4: a QName has one colon, with something on both sides of it
    if (namespace === undefined || prefix === '' || local === '' || local.includes(':')) {
      throw invalidMessage(`element ${shown(name)}: its prefix is not declared`);
    }
    return { namespace, local };
  }
}

/** Namespaces in XML 1.0 §2.2, §3: what may not be declared. */
function checkDeclaration(prefix: string, namespace: string): void {
  const reserved = prefix === 'xmlns' || namespace === XMLNS || (prefix === 'xml') !== (namespace === XML);
  if (reserved || prefix.includes(':') || (namespace === '' && prefix !== '')) {
    throw invalidMessage(`the namespace declaration of prefix ${shown(prefix)} is not allowed`);
  }
}
