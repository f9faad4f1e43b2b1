/** Schema of the limits in a configuration file, made of the table of limits. */
import * as z from 'zod';
import { LIMIT_GROUPS, type Limit, type Limits } from './limits.js';

type LimitSchema = z.ZodDefault<z.ZodInt>;
type LimitsShape = {
  readonly [Group in keyof Limits]: z.ZodPrefault<
    z.ZodObject<{ readonly [Name in keyof Limits[Group]]: LimitSchema }, z.core.$strict>
  >;
};

/** Most limits have the same bounds, and each schema takes a tenth of a millisecond to make. */
const bounded = new Map<string, z.ZodInt>();

function numberSchema({ value, reason, least, most }: Limit): LimitSchema {
  const key = `${least} ${most}`;
  const schema = bounded.get(key) ?? z.int().min(least).max(most);
  bounded.set(key, schema);
  return schema.default(value).register(z.globalRegistry, { description: reason });
}

function shape(): LimitsShape {
  const groups = Object.entries(LIMIT_GROUPS).map(([group, { about, limits }]) => {
    const schemas = Object.entries<Limit>(limits).map(([name, limit]) => [name, numberSchema(limit)] as const);
    return [group, z.strictObject(Object.fromEntries(schemas)).prefault({}).describe(about)] as const;
  });
  return Object.fromEntries(groups) as unknown as LimitsShape;
}

export const limitsSchema = z.strictObject(shape());
