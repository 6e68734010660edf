// Logs as they must be, in the master's state directory.
import {logsAsTheyMustBe} from '../support/log-truths.ts'

logsAsTheyMustBe()
