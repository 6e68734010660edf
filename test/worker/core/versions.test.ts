// A worker and a master speak the newest version that both know, or are told which of them is too old.
import test from 'ava'
import {commonVersion, versionRefusal, type Versions} from '../../../worker/core/versions.ts'

const hello = (protocols: Versions) => ({
  protocols: [...protocols] as [number, number],
  worker: 'w1',
  version: '0.9',
})

test('neighbours speak the older one’s newest version', (t) => {
  t.is(commonVersion([4, 5], [5, 6]), 5)
  t.is(commonVersion([5, 6], [4, 5]), 5)
  t.is(commonVersion([4, 5], [4, 5]), 5)
  t.is(versionRefusal(hello([5, 6]), [4, 5]), null)
})

test('versions that have none in common are told, with who must be upgraded', (t) => {
  t.is(
    versionRefusal(hello([6, 7]), [4, 5]),
    'this master speaks versions 4 to 5 of the protocol, w1 (Ostler 0.9) versions 6 to 7: upgrade the master',
  )
  t.is(
    versionRefusal(hello([3, 3]), [4, 5]),
    'this master speaks versions 4 to 5 of the protocol, w1 (Ostler 0.9) version 3: upgrade the worker',
  )
})
