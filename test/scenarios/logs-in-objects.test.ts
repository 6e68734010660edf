// Logs as they must be, in an object store.
import {logsAsTheyMustBe} from '../support/log-truths.ts'
import {needs, whyNot} from '../support/needs.ts'
import {objectServer} from '../support/object-server.ts'

// Asked before any test is declared: ava wants the declarations at once.
const server = whyNot('object-store') === null ? await objectServer() : null

needs('object-store')('an object store is there for the logs', (t) => {
  t.truthy(server)
})

if (server) logsAsTheyMustBe({...server.keys, OSTLER_OBJECT_STORE: server.url('logs')})
