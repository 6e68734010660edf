// The ledger: every contended write and question about requests, attempts and workers, as one object. The stages that
// claim and record know it only by this shape, so that the simulation can run them on a model of it.
import * as attempts from './store/attempts.ts'
import * as ends from './store/ends.ts'
import * as requests from './store/requests.ts'
import * as workers from './store/workers.ts'

/** The ledger in the database: one SQL statement or few for each of its words. */
export const ledger = {
  // Requests: the queue and the claim.
  queue: requests.queue,
  pausedBuilders: requests.pausedBuilders,
  explain: requests.explain,
  explainOrphans: requests.explainOrphans,
  collapseRequests: requests.collapseRequests,
  lockPending: requests.lockPending,
  openBuilds: requests.openBuilds,
  openAttempts: requests.openAttempts,
  // Attempts: what is reported of them, and their ends.
  effectiveAttempts: attempts.effectiveAttempts,
  plannedSteps: attempts.plannedSteps,
  accept: attempts.accept,
  logsOf: attempts.logsOf,
  applyChanges: attempts.applyChanges,
  finish: ends.finish,
  retry: ends.retry,
  withdraw: ends.withdraw,
  unanswered: attempts.unanswered,
  openAttemptsOf: attempts.openAttemptsOf,
  cancelWishes: attempts.cancelWishes,
  cancelUnheld: ends.cancelUnheld,
  countRefused: attempts.countRefused,
  // Workers: who is connected where, and who is lost.
  attachWorker: workers.attachWorker,
  detachWorkers: workers.detachWorkers,
  writeBeats: workers.writeBeats,
  holdSession: workers.holdSession,
  workerStates: workers.workerStates,
  blame: workers.blame,
  endHolds: workers.endHolds,
  superseded: workers.superseded,
  knock: workers.knock,
  knockedOn: workers.knockedOn,
  answerKnock: workers.answerKnock,
  knockAnswer: workers.knockAnswer,
  disownWorkers: workers.disownWorkers,
  loseWorkers: workers.loseWorkers,
}
export type Ledger = typeof ledger
