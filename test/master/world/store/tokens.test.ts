import test from 'ava'
import * as tokens from '../../../../master/world/store/tokens.ts'
import {eachDatabase} from '../../../support/database.ts'

const admin = {kind: 'user', name: 'anna', role: 'admin', createdBy: null} as const
const worker = {kind: 'worker', name: 'w1', createdBy: 'anna'} as const

test('base 62 keeps every bit of 32 bytes and has one length', (t) => {
  t.is(tokens.base62(new Uint8Array(32)), '0'.repeat(43))
  t.is(tokens.base62(new Uint8Array(32).fill(255)).length, 43)
  t.not(tokens.base62(new Uint8Array(32).fill(255)), tokens.base62(new Uint8Array(32).fill(254)))
})

eachDatabase('a token is found by its text, and its text is stored nowhere', async (t, store) => {
  const {text, token} = await tokens.createToken(store, admin)
  t.regex(text, /^ostler_u_[0-9A-Za-z]{43}$/)
  t.like(token, {kind: 'user', name: 'anna', role: 'admin', createdBy: null, usedAt: null, revokedAt: null})
  t.is(token.hint, text.slice(-4))
  t.is((await tokens.findToken(store, 'user', text))?.id, token.id)
  const everything = JSON.stringify(await store.query('SELECT * FROM tokens'))
  t.false(everything.includes(text.slice(9, -4)))
  t.false(JSON.stringify([token, await tokens.listTokens(store)]).includes(tokens.hashSecret(text)))
})

eachDatabase('a wrong, revoked or other kind of token is nobody', async (t, store) => {
  const {text} = await tokens.createToken(store, admin)
  const {text: workerText, token} = await tokens.createToken(store, worker)
  t.is(token.role, null)
  t.is(await tokens.findToken(store, 'worker', text), null)
  t.is(await tokens.findToken(store, 'user', workerText), null)
  t.is(await tokens.findToken(store, 'user', `${text.slice(0, -1)}!`), null)
  t.is(await tokens.findToken(store, 'user', ''), null)
  t.is(await tokens.findToken(store, 'user', 'ostler_u_\0'), null)
  t.is((await tokens.findToken(store, 'worker', workerText))?.name, 'w1')
  t.true(await tokens.revokeToken(store, token.id))
  t.is(await tokens.findToken(store, 'worker', workerText), null)
  t.false(await tokens.revokeToken(store, token.id))
  t.deepEqual(
    (await tokens.listTokens(store)).map(({name}) => name),
    ['w1', 'anna'],
  )
})

eachDatabase('the use of a token is noted at most once a minute', async (t, store) => {
  const {text, token} = await tokens.createToken(store, admin)
  await tokens.findToken(store, 'user', text)
  const first = await usedAt()
  t.true(first instanceof Date)
  await tokens.findToken(store, 'user', text)
  t.deepEqual(await usedAt(), first)
  await store.query(`UPDATE tokens SET used_at = now() - interval '2 minutes'`)
  await tokens.findToken(store, 'user', text)
  t.true(Number(await usedAt()) >= Number(first))
  async function usedAt() {
    return (await tokens.listTokens(store)).find(({id}) => id === token.id)?.usedAt ?? null
  }
})

eachDatabase('a session ends by its time, by logging out and with its token', async (t, store) => {
  const {token} = await tokens.createToken(store, admin)
  const [kept, left, over] = await Promise.all(
    [60_000, 60_000, 0].map((ttlMs) => tokens.createSession(store, token.id, ttlMs)),
  )
  if (!kept || !left || !over) return t.fail()
  t.is((await tokens.findSession(store, kept.value))?.name, 'anna')
  t.is(await tokens.findSession(store, over.value), null)
  t.is(await tokens.expireSessions(store), 1)
  await tokens.deleteSession(store, left.value)
  t.is(await tokens.findSession(store, left.value), null)
  t.is(await tokens.findSession(store, 'guess'), null)
  await tokens.revokeToken(store, token.id)
  t.is(await tokens.findSession(store, kept.value), null)
  t.deepEqual(await store.query('SELECT * FROM sessions'), [])
})
