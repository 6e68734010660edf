// `ostler restore`: a backup back in an empty place, on either database.
import {execFile} from 'node:child_process'
import {mkdir} from 'node:fs/promises'
import {promisify} from 'node:util'
import {mendAdminToken} from '../../world/admin-token.ts'
import {RestoreRefused, restoreBackup, type Restored} from '../../world/backup/restore.ts'
import {BadArchive} from '../../world/backup/tar.ts'
import {clearRooms, filledRooms} from '../../world/files.ts'
import {openSay} from '../../world/say.ts'
import {chosenShelves, openShelves} from '../../world/shelves.ts'
import {openStore} from '../../world/store/database.ts'
import {Ending, exits} from '../exits.ts'
import {plural, say, sayError, sayJson} from '../print.ts'
import type {Verb} from '../verb.ts'

interface Flags {
  readonly stateDir: string
  readonly overwrite?: boolean
  readonly json?: boolean
}

export const restore: Verb = (program, end) =>
  program
    .command('restore <source>')
    .description('bring a backup back into an empty state directory and database; then start a master there')
    .requiredOption('--state-dir <dir>', 'where logs, artifacts and the embedded database shall live')
    .option('--overwrite', 'replace what is there: everything in the database is removed first')
    .option('--json', 'write what was restored as JSON')
    .addHelpText(
      'after',
      `
OSTLER_DATABASE_URL selects the PostgreSQL server to restore into; without it the embedded database in --state-dir is
made. A backup of either restores into either. No master may run on the target. The archive is read and proved whole
before anything is changed.

Tokens of people and workers go on working, also those revoked after the backup was made: revoke them again. Without
a good one in it, STATE-DIR/admin-token gets a new administrator's token. Secrets are not in a backup: bring their
directory yourself. Exit code 1: the archive is damaged, or some files did not come back.`,
    )
    .action(async (source: string, {stateDir, overwrite = false, json}: Flags) => {
      await mkdir(stateDir, {recursive: true})
      const url = process.env['OSTLER_DATABASE_URL'] || null
      const open = (migrationsMost?: number) =>
        openStore({
          url,
          stateDir,
          say: sayError,
          waitMs: 5_000,
          ...(migrationsMost === undefined ? {} : {migrationsMost}),
        })
      const shelves = await openShelves(chosenShelves(stateDir), openSay('warn'))
      const root = chosenShelves(stateDir).filesDir ?? stateDir
      const inTheWay = async () => {
        const [filled] = await filledRooms(root)
        return filled === undefined ? null : `${filled} is not empty: restore elsewhere, or give --overwrite`
      }
      let restored: Restored
      try {
        restored = await restoreBackup(source, {...shelves, open, inTheWay}, overwrite)
      } catch (error) {
        if (!overwrite && !(error instanceof RestoreRefused) && !(error instanceof BadArchive))
          await clearRooms(root)
        throw endingOf(source, error)
      }
      await shelves.close()
      // The files were written without waiting for the disk one by one.
      await promisify(execFile)('sync').catch(() => undefined)
      const store = await open()
      const token = await mendAdminToken(store, stateDir).finally(() => store.close())
      tell(source, restored, token, json === true)
      if (restored.damaged.length > 0) end(exits.failed)
    })

function endingOf(source: string, error: unknown): Ending {
  const {code, message} = error as NodeJS.ErrnoException
  if (error instanceof BadArchive) return new Ending(exits.failed, `${source} cannot be restored: ${message}`)
  if (code === 'ENOENT' && message.includes(source))
    return new Ending(exits.usage, `there is no file ${source}`)
  const why = code === 'ENOSPC' || code === 'EDQUOT' ? 'the disk is full' : message
  return new Ending(exits.away, `nothing was restored: ${why}`)
}

function tell(
  source: string,
  {manifest, contents, damaged}: Restored,
  token: string | null,
  json: boolean,
): void {
  const {rows, logs, artifacts} = contents
  const {madeAt, version} = manifest
  if (json) return sayJson({source, madeAt, version, rows, logs, artifacts, damaged, adminToken: token})
  say(
    `restored ${source} as of ${madeAt}: ${plural(rows['builds'] ?? 0, 'build')}, ${plural(logs, 'log')}, ${plural(artifacts, 'artifact')}`,
  )
  for (const {what, id} of damaged) sayError(`did not come back, and its row says so: ${what} ${id}`)
  if (token !== null) say(`the administrator's token is in ${token}`)
}
