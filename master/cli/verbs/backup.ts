// `ostler backup`: everything a master keeps, as one file, while it runs.
import {createWriteStream} from 'node:fs'
import {access, open, rename, rm, stat} from 'node:fs/promises'
import {hostname} from 'node:os'
import path from 'node:path'
import {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {ownVersion} from '../../world/place.ts'
import {verifyArchive, type Contents, type Manifest} from '../../world/backup/archive.ts'
import {writeBackup} from '../../world/backup/make.ts'
import {openKept, type Kept, type Place} from '../../world/kept.ts'
import {backupHolder} from '../../world/store/checks.ts'
import {Ending, exits} from '../exits.ts'
import {plural, say, sayError, sayJson} from '../print.ts'
import {placeFor, rotate} from '../rotation.ts'
import {clientOf, clientVerb, count, type ClientFlags, type Verb} from '../verb.ts'

interface Flags extends ClientFlags {
  readonly into?: string
  readonly keep?: number
}

export const backup: Verb = (program, end) =>
  clientVerb(
    program,
    'backup [target]',
    'write a backup of the database, logs and artifacts to a file, while masters run',
  )
    .option('--into <dir>', 'instead of a target: a directory, in which the backup is named by its time')
    .option('--keep <n>', 'with --into: remove older whole backups there, but for so many', count)
    .addHelpText(
      'after',
      `
The running master is asked for it (--master, with an administrator's token). With OSTLER_DATABASE_URL set, the server
is read directly, and the logs and artifacts in --state-dir. With the embedded database and no master running,
--state-dir is read directly, too.

The file holds tokens only as hashes and no secrets; keep it as you keep the logs. It is written beside TARGET, read
back and proved, and only then named TARGET. Exit code 1: made, yet some logs or artifacts could not be read.

In a directory, such a one is named incomplete, and nothing is removed for it: with --keep the last whole backups stay, and
older ones go only when a new one was proved. It is not begun where less room is free than the last one took.`,
    )
    .action(async (given: string | undefined, flags: Flags) => {
      const target = await targetOf(given, flags)
      await refuseExisting(target)
      const partial = `${target}.${String(process.pid)}.partial`
      try {
        await writePartial(partial, flags)
        const {manifest, contents} = await verifyArchive(partial)
        const isWhole = contents.missing.length === 0
        const named =
          isWhole || flags.into === undefined ? target : target.replace(/\.tar$/, '-incomplete.tar')
        await settle(partial, named)
        const removed =
          flags.into === undefined || flags.keep === undefined
            ? []
            : await rotate(flags.into, flags.keep, named)
        tell(named, manifest, contents, flags, {bytes: (await stat(named)).size, removed})
        if (!isWhole) end(exits.failed)
      } catch (error) {
        await rm(partial, {force: true})
        throw error instanceof Ending ? error : endingOf(target, error)
      }
    })

async function targetOf(target: string | undefined, {into, keep}: Flags): Promise<string> {
  if ((target === undefined) === (into === undefined))
    throw new Ending(exits.usage, 'give a target, or a directory with --into')
  if (keep !== undefined && into === undefined)
    throw new Ending(exits.usage, '--keep is for the directory of --into')
  return into === undefined ? (target ?? '') : await placeFor(into, new Date())
}

async function refuseExisting(target: string): Promise<void> {
  const exists = await access(target).then(
    () => true,
    () => false,
  )
  if (exists) throw new Ending(exits.usage, `${target} exists already: a backup never writes over a file`)
}

async function writePartial(partial: string, flags: ClientFlags): Promise<void> {
  const url = process.env['OSTLER_DATABASE_URL'] || null
  if (url !== null) {
    if (flags.stateDir === undefined)
      throw new Ending(exits.usage, "give the master's --state-dir: the logs and artifacts are there")
    return await writeDirectly(partial, {stateDir: flags.stateDir, url})
  }
  try {
    const client = await clientOf(flags)
    await pipeline(Readable.from(client.text('/backup')), fileFor(partial))
  } catch (error) {
    const away = error instanceof Ending && error.message.includes('could not be reached')
    if (!away || flags.stateDir === undefined) throw error
    await rm(partial, {force: true})
    await writeDirectly(partial, {stateDir: flags.stateDir, url: null})
  }
}

async function writeDirectly(partial: string, place: Place): Promise<void> {
  let kept: Kept
  try {
    kept = await openKept(place, sayError)
  } catch (error) {
    throw new Ending(exits.away, (error as Error).message)
  }
  try {
    const holder = `${backupHolder} ${hostname()}-${String(process.pid)}`
    const scratch = path.dirname(path.resolve(partial))
    await writeBackup({...kept, holder, scratch, version: ownVersion()}, fileFor(partial))
  } finally {
    await kept.close()
  }
}

const fileFor = (partial: string) => createWriteStream(partial, {flags: 'wx', mode: 0o600, flush: true})

/** The name appears when the bytes are on the disk, and is there after a power cut. */
async function settle(partial: string, target: string): Promise<void> {
  await rename(partial, target)
  const directory = await open(path.dirname(path.resolve(target)))
  await directory.sync().finally(() => directory.close())
}

function endingOf(target: string, error: unknown): Ending {
  const {code, message} = error as NodeJS.ErrnoException
  const why =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'the disk is full'
      : message === 'terminated'
        ? 'the master broke off'
        : message
  return new Ending(exits.away, `no backup was made, and ${target} was not written: ${why}`)
}

function tell(
  target: string,
  manifest: Manifest,
  contents: Contents,
  flags: ClientFlags,
  {bytes, removed}: {readonly bytes: number; readonly removed: readonly string[]},
): void {
  const {logs, artifacts, rows, missing} = contents
  const count = Object.values(rows).reduce((sum, n) => sum + n, 0)
  if (flags.json)
    return sayJson({target, bytes, madeAt: manifest.madeAt, rows, logs, artifacts, missing, removed})
  say(
    `${target}: ${plural(count, 'row')}, ${plural(logs, 'log')}, ${plural(artifacts, 'artifact')}, ${String(bytes)} bytes, as of ${manifest.madeAt}`,
  )
  if (removed.length > 0) say(`removed ${removed.join(', ')}`)
  for (const {what, id, why} of missing) sayError(`not in it: ${what} ${id}: ${why}`)
}
