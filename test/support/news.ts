// Builds and promotions as notices get them.
import type {BuildNews, Postmark, PromotionNews} from '../../master/core/notices.ts'

export const postmark = (event: Postmark['event']): Postmark => ({
  delivery: `mail-${event}`,
  event,
  at: '2026-11-22T10:00:00.000Z',
  url: 'https://ci.example.org/',
})

export const buildNews = (over: Partial<BuildNews> = {}): BuildNews => ({
  id: '57',
  builder: 'lp-devel',
  number: 12,
  result: 'failure',
  summary: 'test failed',
  branch: 'master',
  revision: '0123456789abcdef0123456789abcdef01234567',
  worker: 'bob',
  reason: 'master: 2 changes',
  before: 'success',
  changes: [
    {
      revision: '0123456789abcdef0123456789abcdef01234567',
      author: 'Ann <ann@example.org>',
      subject: 'fix the thing',
    },
    {
      revision: 'fedcba9876543210fedcba9876543210fedcba98',
      author: 'Bob <bob@example.org>',
      subject: 'break the thing',
    },
  ],
  changesMore: 0,
  failed: {step: 'test', summary: 'exit code 2', log: '99'},
  ...over,
})

export const promotionNews = (over: Partial<PromotionNews> = {}): PromotionNews => ({
  rule: 'carry',
  promotion: '5',
  kind: 'merge',
  from: 'stable',
  to: 'db-devel',
  fromTip: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  toTip: 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
  revision: 'cccccccccccccccccccccccccccccccccccccccc',
  landed: 'dddddddddddddddddddddddddddddddddddddddd',
  reasons: [],
  files: [],
  authors: [],
  error: null,
  by: null,
  reason: null,
  since: null,
  ...over,
})
