/** The OpenAPI document of the HTTP API, made of its operations and the schemas of their bodies. */
import * as z from 'zod';
import { VERSION } from '../ops/version.js';
import type { ApiOperation } from './api-operations.js';

const ERROR = {
  type: 'object',
  required: ['error'],
  properties: {
    error: { type: 'string', description: 'what went wrong' },
    code: { type: 'integer', description: 'the IMXP code, where the mesh or the relay refused' },
  },
};

/** Statuses that every operation may answer with. */
const FAULTS: Readonly<Record<string, string>> = {
  '400': 'the request is wrong',
  '401': 'no valid token',
  '403': 'the role of the token, or the access list of the recipient, does not permit it',
  '404': 'there is no such account, message or recipient',
  '409': 'it is there already, or was changed at the same time',
  '413': 'the body is too large',
  '415': 'the body is not JSON',
  '422': 'the mesh refused it for good',
  '429': 'too many requests',
  '503': 'certainly not done; it may be tried again',
  '504': 'no answer in time: a message may have been delivered',
};

export function openApiDocument(operations: readonly ApiOperation[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method.toLowerCase()]: described(operation) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'imxp', version: VERSION, description: 'HTTP API of an imxp relay' },
    servers: [{ url: '/api/v1' }],
    security: [{ token: [] }],
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: ERROR },
    },
    paths,
  };
}

function described({ path, role, summary, body, answer, stream }: ApiOperation): object {
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => {
    return { name, in: 'path', required: true, schema: { type: 'string' } };
  });
  const content = { [stream ?? 'application/json']: answer === undefined ? {} : { schema: schemaOf(answer) } };
  const fault = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } };
  return {
    summary,
    description: `Needs a token with the role "${role}"${role === 'read' ? ' or "operate"' : ''}.`,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } } }),
    responses: {
      '200': { description: 'done', content },
      ...Object.fromEntries(
        Object.entries(FAULTS).map(([code, text]) => [code, { description: text, content: fault }]),
      ),
    },
  };
}

function schemaOf(body: z.ZodType): object {
  const { $schema: _, ...schema } = z.toJSONSchema(body, { io: 'input' });
  return schema;
}
