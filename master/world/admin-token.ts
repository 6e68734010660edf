// The administrator's token: its file in the state directory is the only place that has it.
import {chmod, readFile, rm, writeFile} from 'node:fs/promises'
import path from 'node:path'
import type {Store} from './store/store.ts'
import {createToken, findToken} from './store/tokens.ts'

/** Makes an administrator's token and writes it to its file; answers the file. */
export async function writeAdminToken(store: Store, stateDir: string): Promise<string> {
  const file = path.join(stateDir, 'admin-token')
  const {text} = await createToken(store, {kind: 'user', name: 'admin', role: 'admin', createdBy: null})
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
