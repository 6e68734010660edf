// The first administrator's token: whatever fails on the way, there is never one that nobody has.
import {chmod, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {firstAdminToken} from '../../../master/world/admin-token.ts'
import {findToken, listTokens} from '../../../master/world/store/tokens.ts'
import {eachDatabase} from '../../support/database.ts'

eachDatabase(
  'a token whose file cannot be written is not made, and the next start makes one',
  async (t, store) => {
    const stateDir = await mkdtemp(join(tmpdir(), 'ostler-token-'))
    t.teardown(() => rm(stateDir, {recursive: true}))
    // A directory that is not empty is in its place.
    await mkdir(join(stateDir, 'admin-token'))
    await writeFile(join(stateDir, 'admin-token', 'x'), '')
    await chmod(join(stateDir, 'admin-token'), 0o700)
    await t.throwsAsync(firstAdminToken(store, stateDir))
    t.deepEqual(await listTokens(store), [])
    await rm(join(stateDir, 'admin-token'), {recursive: true})
    t.is(await firstAdminToken(store, stateDir), join(stateDir, 'admin-token'))
    const text = (await readFile(join(stateDir, 'admin-token'), 'utf8')).trim()
    t.is((await findToken(store, 'user', text))?.role, 'admin')
  },
)

eachDatabase('of masters that start together one makes the token', async (t, store) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'ostler-token-'))
  t.teardown(() => rm(stateDir, {recursive: true}))
  const made = await Promise.all([1, 2, 3].map(() => firstAdminToken(store, stateDir)))
  t.is(made.filter((file) => file !== null).length, 1)
  t.is((await listTokens(store)).length, 1)
})
