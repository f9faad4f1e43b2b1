/**
 * JSON Schema of a configuration file: for editors (`imxp check --schema > mesh.schema.json`), and to look up which
 * keys exist where.
 */
import * as z from 'zod';
import { nodeSchema } from './schema.js';

/** The parts of a JSON Schema that this project reads. */
export interface JsonSchema {
  readonly title?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

let made: JsonSchema | undefined;

/** Returns the JSON Schema (2020-12) of a configuration file. */
export function configurationJsonSchema(): JsonSchema {
  made ??= z.toJSONSchema(nodeSchema('/'), { io: 'input' }) as JsonSchema;
  return made;
}

function below(schema: JsonSchema, key: PropertyKey): JsonSchema[] {
  const found: (JsonSchema | boolean | undefined)[] = [
    typeof key === 'number' ? schema.items : schema.properties?.[String(key)],
  ];
  if (typeof key === 'string' && schema.properties?.[key] === undefined) found.push(schema.additionalProperties);
  return found.filter((part) => typeof part === 'object');
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  return [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
}

/** Returns the keys that the object at a path of the configuration of a node may have. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  return keysIn(configurationJsonSchema(), path);
}

/** Returns the keys that the object at a path may have by a schema. */
export function keysIn(schema: JsonSchema, path: readonly PropertyKey[]): readonly string[] {
  let schemas = alternatives(schema);
  for (const key of path) schemas = schemas.flatMap((schema) => below(schema, key)).flatMap(alternatives);
  return [...new Set(schemas.flatMap((schema) => Object.keys(schema.properties ?? {})))];
}
