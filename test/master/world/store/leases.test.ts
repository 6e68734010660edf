import {
  heldIn,
  LeaseLost,
  releaseLease,
  renewLease,
  takeLease,
} from '../../../../master/world/store/leases.ts'
import {whileHolding} from '../../../../master/world/store/holding.ts'
import {eachDatabase} from '../../../support/database.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

eachDatabase('of many that take a lease at once one gets it', async (t, store) => {
  const taken = await Promise.all(
    Array.from({length: 10}, (_, n) => takeLease(store, 'pollers', `master-${n}`, 60_000)),
  )
  t.is(taken.filter((lease) => lease !== null).length, 1)
})

eachDatabase(
  'a lease is refused to everybody until it ends, and each taking has a greater fence',
  async (t, store) => {
    const first = await takeLease(store, 'pollers', 'a', 300)
    t.is(first?.fence, '1')
    t.is(await takeLease(store, 'pollers', 'b', 300), null)
    t.is(await takeLease(store, 'pollers', 'a', 300), null)
    t.is((await takeLease(store, 'calendars', 'b', 300))?.fence, '1')
    await pause(350)
    t.is((await takeLease(store, 'pollers', 'b', 300))?.fence, '2')
    await pause(350)
    t.is((await takeLease(store, 'pollers', 'a', 300))?.fence, '3')
  },
)

eachDatabase(
  'a lease that is renewed in time stays, and one given back is free at once',
  async (t, store) => {
    const lease = await takeLease(store, 'pollers', 'a', 500)
    if (!lease) return t.fail()
    t.true(await renewLease(store, lease, 60_000))
    await pause(550)
    t.is(await takeLease(store, 'pollers', 'b', 500), null)
    await releaseLease(store, lease)
    t.false(await renewLease(store, lease, 500))
    const next = await takeLease(store, 'pollers', 'b', 60_000)
    t.is(next?.fence, '2')
    await releaseLease(store, lease)
    t.is(await takeLease(store, 'pollers', 'c', 500), null, 'an old lease gives nothing back')
  },
)

eachDatabase(
  'a holder that slept through its lease is refused in the transaction that acts',
  async (t, store) => {
    const sleeper = await takeLease(store, 'promotions', 'a', 200)
    if (!sleeper) return t.fail()
    await store.transaction((tx) => heldIn(tx, sleeper))
    await pause(250)
    const act = () =>
      store.transaction(async (tx) => {
        await tx.query(`INSERT INTO builders (name) VALUES ('acted')`)
        await heldIn(tx, sleeper)
      })
    await t.throwsAsync(act(), {instanceOf: LeaseLost}, 'its time is over')
    await takeLease(store, 'promotions', 'b', 60_000)
    await t.throwsAsync(act(), {instanceOf: LeaseLost}, 'somebody else has it')
    t.false(await renewLease(store, sleeper, 60_000))
    t.deepEqual(await store.query('SELECT * FROM builders'), [])
  },
)

eachDatabase(
  'nobody takes a lease while a transaction acts on it, even when its time ends meanwhile',
  async (t, store) => {
    const lease = await takeLease(store, 'promotions', 'a', 200)
    if (!lease) return t.fail()
    const order: string[] = []
    let taking: Promise<unknown> = Promise.resolve()
    const acting = store.transaction(async (tx) => {
      await heldIn(tx, lease)
      await pause(300)
      order.push('acted')
    })
    await pause(250)
    taking = takeLease(store, 'promotions', 'b', 60_000).then((next) =>
      order.push(`taken with fence ${next?.fence}`),
    )
    await Promise.all([acting, taking])
    t.deepEqual(order, ['acted', 'taken with fence 2'])
  },
)

eachDatabase('a master that took its lease again does not act by the earlier taking', async (t, store) => {
  const earlier = await takeLease(store, 'promotions', 'a', 50)
  await pause(100)
  const later = await takeLease(store, 'promotions', 'a', 60_000)
  if (!earlier || !later) return t.fail()
  await store.transaction((tx) => heldIn(tx, later))
  await t.throwsAsync(
    store.transaction((tx) => heldIn(tx, earlier)),
    {instanceOf: LeaseLost},
  )
})

eachDatabase('work under a lease gives it back, whether it ends well or not', async (t, store) => {
  const holding = (work: () => Promise<string>) => whileHolding(store, 'a', 'pollers', work)
  t.is(await holding(async () => 'first'), 'first')
  await t.throwsAsync(
    holding(async () => await Promise.reject(new Error('in vain'))),
    {message: 'in vain'},
  )
  t.is(await holding(async () => 'second'), 'second')
})
