// Every verb, in the order of the help.
import type {Verb} from '../verb.ts'
import {allow, approve, deny} from './approve.ts'
import {backup} from './backup.ts'
import {builds} from './builds.ts'
import {cancel} from './cancel.ts'
import {checkConfig} from './check-config.ts'
import {completion} from './completion.ts'
import {excuses} from './excuses.ts'
import {force} from './force.ts'
import {fsck} from './fsck.ts'
import {hold, release} from './hold.ts'
import {log} from './log.ts'
import {master} from './master.ts'
import {masters} from './masters.ts'
import {promote} from './promote.ts'
import {promotions} from './promotions.ts'
import {rebuild} from './rebuild.ts'
import {reload} from './reload.ts'
import {reports} from './reports.ts'
import {requests} from './requests.ts'
import {restore} from './restore.ts'
import {drain, pause, resume} from './rest.ts'
import {rollback} from './rollback.ts'
import {token} from './token.ts'
import {unfreeze} from './unfreeze.ts'
import {worker} from './worker.ts'
import {workers} from './workers.ts'

export const verbs: readonly Verb[] = [
  master,
  worker,
  checkConfig,
  force,
  builds,
  requests,
  workers,
  masters,
  promotions,
  reports,
  log,
  cancel,
  rebuild,
  pause,
  drain,
  resume,
  promote,
  excuses,
  hold,
  release,
  approve,
  deny,
  allow,
  unfreeze,
  rollback,
  reload,
  token,
  backup,
  restore,
  fsck,
  completion,
]
