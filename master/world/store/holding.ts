// Being the only one: work done while a lease is held, renewed meanwhile, with a guard that each of its transactions
// begins with.
import {heldIn, releaseLease, renewLease, takeLease} from './leases.ts'
import type {Sql, Store} from './store.ts'

/** A master that was killed is followed by another within this time, in milliseconds, and a look of that one. */
const leaseMs = 8_000
const renewMs = 1_500

/** Runs work while this master alone holds the lease; null when another holds it. The guard throws once it is lost. */
export async function whileHolding<T>(
  store: Store,
  master: string,
  name: string,
  work: (guard: (tx: Sql) => Promise<void>) => Promise<T>,
  ttlMs = leaseMs,
): Promise<T | null> {
  const lease = await takeLease(store, name, master, ttlMs)
  if (!lease) return null
  // A renewal that fails needs no answer here: the guard finds out.
  const timer = setInterval(() => void renewLease(store, lease, ttlMs).catch(() => undefined), renewMs)
  try {
    return await work((tx) => heldIn(tx, lease))
  } finally {
    clearInterval(timer)
    await releaseLease(store, lease).catch(() => undefined)
  }
}
