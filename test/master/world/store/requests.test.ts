import {lockPending} from '../../../../master/world/store/requests.ts'
import type {Sql, Store} from '../../../../master/world/store/store.ts'
import {openStore} from '../../../../master/world/store/database.ts'
import {eachDatabase, onlyPostgres} from '../../../support/database.ts'

async function twoRequests(store: Store): Promise<void> {
  await store.query(`INSERT INTO buildsets (reason, origin, source_stamps) VALUES ('r', 'test', '[]')`)
  await store.query(`INSERT INTO requests (buildset_id, builder) SELECT 1, 'b' FROM generate_series(1, 2)`)
}

const locked = async (tx: Sql) => (await lockPending(tx, ['1', '2'])).map(({id}) => id)

eachDatabase('a request that was claimed meanwhile is not claimed again', async (t, store) => {
  await twoRequests(store)
  t.deepEqual(await store.transaction(locked), ['1', '2'])
  await store.query(`UPDATE requests SET state = 'claimed' WHERE id = 1`)
  t.deepEqual(await store.transaction(locked), ['2'])
})

onlyPostgres('what another master is just claiming is passed over, without waiting', async (t, place) => {
  const [store, other] = [await openStore(place), await openStore(place)]
  try {
    await twoRequests(store)
    await store.transaction(async (tx) => {
      await lockPending(tx, ['1'])
      const theirs = await other.transaction(async (theirTx) => {
        await theirTx.query(`SET LOCAL lock_timeout = '1s'`)
        return await locked(theirTx)
      })
      t.deepEqual(theirs, ['2'])
    })
  } finally {
    await other.close()
    await store.close()
  }
})
