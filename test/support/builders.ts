// A builder as the configuration gives it, for tests of what is decided about builders.
import type {Builder} from '../../config/config.ts'

/** A builder without steps that any worker may take; `more` is what a test is about. */
export const builderNamed = (name: string, more: Partial<Builder> = {}): Builder => ({
  name,
  tags: [],
  description: '',
  requires: {},
  workers: [],
  container: null,
  env: {},
  properties: {},
  timeoutMs: null,
  collapseRequests: false,
  priority: 0,
  intGraceMs: 1000,
  termGraceMs: 1000,
  steps: [],
  ...more,
})
