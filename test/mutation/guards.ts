// The table of guards that `npm run mutate` takes away, one after the other.
import type {Guard} from './guard.ts'
import {doorGuards} from './guards/doors.ts'
import {masterGuards} from './guards/master.ts'
import {promotionGuards} from './guards/promotion.ts'
import {workerGuards} from './guards/worker.ts'

export const guards: readonly Guard[] = [...masterGuards, ...promotionGuards, ...workerGuards, ...doorGuards]
