import {entities} from '../../../../master/world/store/entities.ts'
import {eachDatabase} from '../../../support/database.ts'

interface Column {
  readonly table: string
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly key: boolean
  readonly identity: boolean
}

const migrated = `
  SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, NULL) AS type, NOT a.attnotnull AS nullable,
         coalesce(a.attnum = ANY(i.indkey), false) AS key, a.attidentity <> '' AS identity
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'migrations'
    AND a.attnum > 0 AND NOT a.attisdropped`

/** PostgreSQL's own names of the types that it also knows by shorter ones. */
const fullNames: Readonly<Record<string, string>> = {int: 'integer'}

const described: Column[] = entities.flatMap(({options}) =>
  Object.values(options.columns).map((column) => {
    const type = String(column?.type)
    return {
      table: options.tableName ?? '',
      name: column?.name ?? '',
      type: (fullNames[type] ?? type) + (column?.array === true ? '[]' : ''),
      nullable: column?.nullable === true,
      key: column?.primary === true,
      identity: column?.generated === 'increment',
    }
  }),
)

const lines = (columns: readonly Column[]) => new Set(columns.map((column) => JSON.stringify(column)))

eachDatabase('the entities describe every column of the migrated tables, and no other', async (t, store) => {
  const [inEntities, inTables] = [lines(described), lines(await store.query<Column>(migrated))]
  t.deepEqual(
    [...inTables].filter((line) => !inEntities.has(line)),
    [],
    'columns that no entity describes',
  )
  t.deepEqual(
    [...inEntities].filter((line) => !inTables.has(line)),
    [],
    'columns that the tables do not have',
  )
})

eachDatabase('TypeORM can read every table', async (t, store) => {
  for (const entity of entities) t.true(Array.isArray(await store.repository(entity).find()))
})
