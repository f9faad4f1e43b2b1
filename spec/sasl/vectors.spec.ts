import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { QOPS } from '../../lib/config/sasl-names.js';
import { userSecret } from '../../lib/sasl/digest-md5/charset.js';
import { DigestMd5Client } from '../../lib/sasl/digest-md5/client.js';
import { responseValue, serverProof, sessionKey } from '../../lib/sasl/digest-md5/computation.js';
import { DigestLayer } from '../../lib/sasl/digest-md5/layer.js';
import { parseResponse } from '../../lib/sasl/digest-md5/message.js';
import { DigestMd5Server } from '../../lib/sasl/digest-md5/server.js';
import { CIPHERS } from '../../lib/sasl/settings.js';
import { login, People, settings } from './people.js';

interface Vector {
  readonly name: string;
  readonly inputs: {
    readonly username: string;
    readonly password: string;
    readonly realm: string;
    readonly nonce: string;
    readonly cnonce: string;
    readonly nc: string;
    readonly qop: string;
    readonly cipher: string | null;
    readonly 'digest-uri': string;
    readonly authzid: string | null;
  };
  readonly secret_hex_md5_user_realm_pass: string;
  readonly ha1_hex: string;
  readonly response: string;
  readonly rspauth: string;
  readonly messages: readonly { readonly from: string; readonly base64: string }[];
  readonly layer?: Readonly<Record<string, string>>;
}

const file = new URL('../fixtures/digest-md5.json', import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] };

function parts({ inputs, messages }: Vector) {
  const [challenge, response, proof] = messages.map(({ base64 }) => Buffer.from(base64, 'base64'));
  if (challenge === undefined || response === undefined || proof === undefined)
    throw new Error('three messages expected');
  const qop = QOPS.find((each) => each === inputs.qop) ?? 'auth';
  const cipher = CIPHERS.find((each) => each === inputs.cipher);
  return { challenge, response, proof, qop, cipher };
}

describe('DIGEST-MD5 known answers', () => {
  it('has the vectors of three implementations', () => {
    expect(vectors.map(({ name }) => name.split('-')[0])).to.include.members(['rfc2831', 'gsasl', 'cyrus']);
    expect(vectors).to.have.length.above(12);
  });

  for (const vector of vectors) {
    const { inputs } = vector;
    const forBeep = inputs['digest-uri'].startsWith('beep/');

    it(`REQ-SASL-026 computes ${vector.name}`, () => {
      const secret = userSecret(inputs.username, inputs.realm, inputs.password);
      expect(secret.toString('hex')).to.equal(vector.secret_hex_md5_user_realm_pass);
      const key = sessionKey(secret, inputs.nonce, inputs.cnonce, inputs.authzid ?? undefined);
      expect(key.toString('hex')).to.equal(vector.ha1_hex);
      const all = { ...inputs, digestUri: inputs['digest-uri'] };
      expect(responseValue(key, all)).to.equal(vector.response);
      expect(serverProof(key, all)).to.equal(vector.rspauth);
    });

    it(`reads the response of ${vector.name}`, () => {
      const response = parseResponse(parts(vector).response);
      expect(response).to.include({
        nonce: inputs.nonce,
        cnonce: inputs.cnonce,
        response: vector.response,
        qop: inputs.qop,
      });
      expect(response).to.include({ digestUri: inputs['digest-uri'], nc: inputs.nc, realm: inputs.realm });
    });

    if (!forBeep) continue;

    it(`answers as the client of ${vector.name}`, async () => {
      const { challenge, proof, qop, cipher } = parts(vector);
      const client = new DigestMd5Client({
        ...login(inputs.username, inputs.password, { qops: [qop], ...(cipher && { ciphers: [cipher] }) }),
        ...(inputs.authzid !== null && { authzid: inputs.authzid }),
        cnonce: inputs.cnonce,
      });
      const response = parseResponse(await client.step(challenge));
      expect(response).to.include({ response: vector.response, qop: inputs.qop, cipher });
      expect(client.complete).to.equal(false);
      expect(await client.step(proof)).to.have.length(0);
      expect(client.complete).to.equal(true);
    });

    it(`answers as the server of ${vector.name}`, async () => {
      const { response, proof, qop } = parts(vector);
      const people = await new People().add(`${inputs.username}@example.com`, inputs.password);
      const policy = { qops: [qop], ciphers: CIPHERS, authorize: () => true };
      const server = new DigestMd5Server({ ...settings(people, policy), privacy: false, nonce: inputs.nonce });
      await server.step(undefined);
      const step = await server.step(response);
      expect(step).to.include({ type: 'success' });
      expect(step.type === 'success' && step.data?.toString()).to.equal(proof.toString());
    });
  }

  for (const vector of vectors.filter(({ layer }) => layer !== undefined)) {
    const hex = (name: string) => Buffer.from(vector.layer?.[name] ?? '', 'hex');
    const text = (name: string) => Buffer.from(vector.layer?.[name] ?? '', 'utf8');
    const layer = (role: 'client' | 'server') => {
      const { qop, cipher } = parts(vector);
      if (qop === 'auth') throw new Error('a layer is expected');
      const sizes = { peerMaxbuf: 2048, maxbuf: 2048 };
      return new DigestLayer({ role, sessionKey: Buffer.from(vector.ha1_hex, 'hex'), qop, cipher, ...sizes });
    };

    it(`REQ-SASL-030 REQ-SASL-031 protects as in ${vector.name}`, () => {
      const client = layer('client');
      expect(client.unwrap(hex('server_to_client_token_hex'))).to.deep.equal(text('server_to_client_plain'));
      expect(client.wrap(text('client_to_server_plain'))).to.deep.equal(hex('client_to_server_token_hex'));
      const server = layer('server');
      expect(server.wrap(text('server_to_client_plain'))).to.deep.equal(hex('server_to_client_token_hex'));
      expect(server.unwrap(hex('client_to_server_token_hex'))).to.deep.equal(text('client_to_server_plain'));
    });
  }
});
