// The administrator's token: its file in the state directory is the only place that has it.
import {chmod, readFile, rm, writeFile} from 'node:fs/promises'
import path from 'node:path'
import type {Store, Transaction} from './store/store.ts'
import {createToken, findToken, listTokens} from './store/tokens.ts'

/**
 * Makes an administrator's token and writes it to its file; answers the file. The file is there before the token counts:
 * a crash in between leaves a file that the next start replaces, never a token that nobody has.
 */
export async function writeAdminToken(store: Store, stateDir: string): Promise<string> {
  return await store.transaction((tx) => writeToken(tx, stateDir))
}

/** Makes one when the database has none yet, however many masters start at once; answers the file, or null. */
export async function firstAdminToken(store: Store, stateDir: string): Promise<string | null> {
  return await store.transaction(async (tx) => {
    await tx.query(`SELECT pg_advisory_xact_lock(hashtext('ostler first token'))`)
    const isKnown = (await listTokens(tx)).some(({role}) => role === 'admin')
    return isKnown ? null : await writeToken(tx, stateDir)
  })
}

async function writeToken(tx: Transaction, stateDir: string): Promise<string> {
  const file = path.join(stateDir, 'admin-token')
  const {text} = await createToken(tx, {kind: 'user', name: 'admin', role: 'admin', createdBy: null})
  await rm(file, {force: true})
  await writeFile(file, `${text}\n`, {mode: 0o600, flag: 'wx'})
  await chmod(file, 0o600)
  return file
}

/** Makes one only if the file's is not known to the database, as after a restore on another machine; answers the file, or null. */
export async function mendAdminToken(store: Store, stateDir: string): Promise<string | null> {
  const text = await readFile(path.join(stateDir, 'admin-token'), 'utf8').catch(() => '')
  const known = text.trim() === '' ? null : await findToken(store, 'user', text.trim())
  return known ? null : await writeAdminToken(store, stateDir)
}
