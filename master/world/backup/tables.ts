// The database's tables as lines of text, and back: every value goes through PostgreSQL's own text form, so that it
// comes back exactly, whichever of the two engines reads it.
import {entities} from '../store/entities.ts'
import {migrations} from '../store/migrations.ts'
import type {Sql} from '../store/store.ts'

export interface Table {
  readonly name: string
  readonly columns: readonly string[]
}

interface Shape extends Table {
  readonly types: readonly string[]
  readonly parents: readonly string[]
}

/** Never in a backup: what only says who is there now, and logins that a stolen backup must not hand on. */
const leftOut = new Set(['migrations', 'masters', 'sessions'])

/** The schema may hold tables of others, which are none of our business. */
const ours = entities.map(({options}) => options.tableName ?? options.name)

/** A batch of rows is about this many bytes. */
const batchBytes = 1024 * 1024
const batchRowsMax = 2_000

/** The tables that a backup holds, each after those it refers to. */
export async function backedUpTables(sql: Sql): Promise<Table[]> {
  const shapes = await readShapes(sql)
  const ordered: Table[] = []
  const visit = (shape: Shape) => {
    if (ordered.some(({name}) => name === shape.name)) return
    for (const parent of shape.parents.filter((each) => each !== shape.name))
      visit(shapes.find(({name}) => name === parent) as Shape)
    ordered.push({name: shape.name, columns: shape.columns})
  }
  for (const shape of shapes) visit(shape)
  return ordered.filter(({name}) => !leftOut.has(name))
}

async function readShapes(sql: Sql): Promise<Shape[]> {
  return await sql.query<Shape & {name: string}>(
    `SELECT c.relname::text AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns,
            array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum) AS types,
            ARRAY(SELECT p.relname::text FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid
                  WHERE k.conrelid = c.oid AND k.contype = 'f') AS parents
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY($1::text[])
     GROUP BY c.oid, c.relname ORDER BY c.oid`,
    [ours],
  )
}

/** Makes a transaction one view of one moment, whose text forms do not depend on the server's settings. */
export async function freezeView(tx: Sql): Promise<void> {
  await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY')
  await plainText(tx)
}

async function plainText(tx: Sql): Promise<void> {
  for (const setting of ["timezone = 'UTC'", "datestyle = 'ISO'", "intervalstyle = 'postgres'", 'extra_float_digits = 3', 'idle_in_transaction_session_timeout = 0']) await tx.query(`SET LOCAL ${setting}`) // prettier-ignore
}

/** The rows of a query in batches, through a cursor: never all in memory. */
export async function* inBatches<Row extends object>(
  tx: Sql,
  query: string,
  bytesOf: (row: Row) => number,
): AsyncGenerator<Row[]> {
  await tx.query(`DECLARE backup_rows NO SCROLL CURSOR FOR ${query}`)
  for (let count = 20; ;) {
    const rows = await tx.query<Row>(`FETCH ${String(count)} FROM backup_rows`)
    if (rows.length > 0) yield rows
    if (rows.length < count) break
    const bytes = rows.reduce((sum, row) => sum + bytesOf(row), 1)
    count = Math.max(1, Math.min(batchRowsMax, 4 * count, Math.floor((count * batchBytes) / bytes)))
  }
  await tx.query('CLOSE backup_rows')
}

/** A table's rows, a JSON list of texts each. */
export async function* dumpTable(tx: Sql, {name, columns}: Table): AsyncGenerator<string[]> {
  const values = columns.map((column) => `${quoted(column)}::text`).join(', ')
  const query = `SELECT json_build_array(${values})::text AS line FROM ${quoted(name)}`
  for await (const rows of inBatches<{line: string}>(tx, query, ({line}) => line.length))
    yield rows.map(({line}) => line)
}

/** Where a table's numbers stand. Asked after the view was taken: later, so never too low. */
export async function readNumbers(sql: Sql): Promise<Record<string, string>> {
  const numbers: Record<string, string> = {}
  for (const {name, sequence} of await sequences(sql)) {
    const [row] = await sql.query<{last: string}>(`SELECT last_value AS last FROM ${sequence}`)
    if (row) numbers[name] = row.last
  }
  return numbers
}

async function sequences(sql: Sql): Promise<{name: string; sequence: string}[]> {
  return await sql.query(
    `SELECT c.relname::text AS name, pg_get_serial_sequence(quote_ident(c.relname), 'id') AS sequence
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id' AND a.attidentity <> ''
     WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY($1::text[])`,
    [ours],
  )
}

/** What loads rows into the tables of a transaction; the names must be those of its tables, or an Error says which is not. */
export async function openLoader(tx: Sql, tables: readonly Table[]) {
  await plainText(tx)
  const shapes = new Map((await readShapes(tx)).map((shape) => [shape.name, shape]))
  const statements = new Map(tables.map((table) => [table.name, insertOf(table, shapes.get(table.name))]))
  return async (name: string, lines: readonly string[]): Promise<void> => {
    const statement = statements.get(name)
    if (statement === undefined)
      throw new Error(`the backup has rows of a table ${name} that it does not list`)
    await tx.query(statement, [`[${lines.join(',')}]`])
  }
}

function insertOf({name, columns}: Table, shape: Shape | undefined): string {
  if (!shape || leftOut.has(name))
    throw new Error(`the backup has a table ${name}, which Ostler does not know`)
  const same =
    columns.length === shape.columns.length && columns.every((column) => shape.columns.includes(column))
  if (!same)
    throw new Error(`the table ${name} of the backup has other columns than Ostler’s: ${columns.join(', ')}`)
  const values = columns.map(
    (column, n) => `(r->>${String(n)})::${shape.types[shape.columns.indexOf(column)] ?? ''}`,
  )
  return `INSERT INTO ${quoted(name)} (${columns.map(quoted).join(', ')}) OVERRIDING SYSTEM VALUE
    SELECT ${values.join(', ')} FROM json_array_elements($1::json) r`
}

/** Which of the tables hold rows that somebody would miss. */
export async function tablesWithRows(sql: Sql): Promise<string[]> {
  const shapes = await readShapes(sql)
  const asked = shapes.filter(({name}) => !leftOut.has(name) && name !== 'leases' && name !== 'cursors')
  if (asked.length === 0) return []
  const found = await sql.query<{name: string}>(
    asked
      .map(({name}) => `(SELECT '${name}' AS name WHERE EXISTS (SELECT 1 FROM ${quoted(name)}))`)
      .join(' UNION ALL '),
  )
  return found.map(({name}) => name)
}

/** Removes every table and function of ours, so that older ones can be made. */
export async function dropTables(tx: Sql): Promise<void> {
  const functions = migrations.flatMap(({up}) =>
    [...up.matchAll(/CREATE FUNCTION (\w+)/g)].map((found) => found[1]),
  )
  await tx.query(`DROP TABLE IF EXISTS ${[...ours, 'migrations'].map(quoted).join(', ')} CASCADE`)
  for (const name of functions) await tx.query(`DROP FUNCTION IF EXISTS ${name ?? ''} CASCADE`)
}

/** Numbers given out after the backup was made may be known outside: to workers, browsers and receivers of reports. */
const leap = 1_000_000_000
const leaping = new Set(['attempts', 'events', 'logs', 'artifacts'])

/** Has every table count on after its greatest number, and those whose numbers live outside far above it. */
export async function setNumbers(tx: Sql, known: Readonly<Record<string, string>>): Promise<void> {
  for (const {name, sequence} of await sequences(tx))
    await tx.query(
      `SELECT setval($1::regclass, greatest((SELECT max(id) FROM ${quoted(name)}), $2::bigint, 1) + $3::bigint)`,
      [sequence, /^\d{1,18}$/.test(known[name] ?? '') ? known[name] : '0', leaping.has(name) ? leap : 0],
    )
}

/**
 * What is true of a ledger that has just come back: nobody is connected, and every worker has its whole grace to return;
 * no lease is held, and no holder from before is believed.
 */
export async function awaken(tx: Sql, madeAt: string): Promise<void> {
  await tx.query('UPDATE workers SET connected = false, lost = false, master = NULL, seen_at = now()')
  await tx.query('UPDATE leases SET until = now(), fence = fence + $1', [leap])
  await tx.query(
    `INSERT INTO audit (who, action, target, data) VALUES ('ostler restore', 'ledger.restore', 'ledger', jsonb_build_object('madeAt', $1::text))`,
    [madeAt],
  )
  await tx.query(
    `SELECT record_events('{ledger.restored}', ARRAY[jsonb_build_object('madeAt', $1::text)::text])`,
    [madeAt],
  )
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`
