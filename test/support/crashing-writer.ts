// A process that writes to the embedded database in argv[2] until it is killed, and prints the number of each row
// once it is acknowledged.
import {writeSync} from 'node:fs'
import {openStore} from '../../master/world/store/database.ts'

const store = await openStore({url: null, stateDir: process.argv[2] ?? ''})
for (let n = 1; ; n++) {
  await store.transaction(async (tx) => {
    await tx.query('INSERT INTO builders (name, last_number) VALUES ($1, $2)', [`n${n}`, n])
    await tx.query('INSERT INTO audit (who, action, target) VALUES ($1, $2, $3)', [
      'w',
      'wrote',
      'x'.repeat(n % 2000),
    ])
  })
  writeSync(1, `${n}\n`)
}
