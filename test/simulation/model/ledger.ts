// The ledger as a model: the same words as master/world/ledger.ts, said of tables in memory. ledger.test.ts holds both
// to the same answers.
import type {Ledger} from '../../../master/world/ledger.ts'
import {allGuards, attemptWords, type Guards} from './attempts.ts'
import {requestWords} from './requests.ts'
import {workerWords} from './workers.ts'

/** The model's ledger; without one of its guards it is one that tests must find out. */
export const modelLedger = (guards: Guards = allGuards): Ledger => ({
  ...requestWords,
  ...attemptWords(guards),
  ...workerWords,
})
