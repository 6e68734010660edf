// How the nouns' tables are told to TypeORM: one short word per column, from which the row's type follows. A key in
// camelCase is a column in snake_case.
import {EntitySchema, type EntitySchemaColumnOptions} from 'typeorm'

/** A column's description for TypeORM, which also carries the type of its values. */
export type Column<Value> = EntitySchemaColumnOptions & {readonly value?: Value}
type Columns = Readonly<Record<string, Column<unknown>>>

/** The values of a table's row, by the keys of its columns. */
export type Row<Entity> = Entity extends EntitySchema<infer Values> ? Values : never

const column = <Value>(options: EntitySchemaColumnOptions): Column<Value> => options

export const text = column<string>({type: 'text'})
export const integer = column<number>({type: 'int'})
/** As text, since a JavaScript number cannot hold it. */
export const bigint = column<string>({type: 'bigint'})
export const double = column<number>({type: 'double precision'})
export const boolean = column<boolean>({type: 'boolean'})
export const time = column<Date>({type: 'timestamp with time zone'})
export const texts = column<string[]>({type: 'text', array: true})
export const bigints = column<string[]>({type: 'bigint', array: true})
export const json = <Value>() => column<Value>({type: 'jsonb'})
/** One of these words, which the table checks. */
export const word = <Word extends string>() => column<Word>({type: 'text'})

/** A number given by the database. */
export const identity = column<string>({
  type: 'bigint',
  primary: true,
  generated: 'increment',
})
export const key = <Value>(of: Column<Value>): Column<Value> => ({...of, primary: true})
export const optional = <Value>(of: Column<Value>): Column<Value | null> => ({...of, nullable: true})

type Values<Of extends Columns> = {
  -readonly [Key in keyof Of]: Of[Key] extends Column<infer Value> ? Exclude<Value, undefined> : never
}

/** A table with these columns. */
export function table<Of extends Columns>(name: string, columns: Of): EntitySchema<Values<Of>> {
  const named = Object.entries(columns).map(([camel, options]) => [
    camel,
    {...options, name: snakeCase(camel)},
  ])
  return new EntitySchema<Values<Of>>({name, tableName: name, columns: Object.fromEntries(named) as Of})
}

const snakeCase = (camel: string) => camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
