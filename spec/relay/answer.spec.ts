import { expect } from 'chai';
import { codeUnanswered } from '../../lib/imxp/certainty.js';
import { combine, REPLIES, unanswered } from '../../lib/relay/answer.js';

const failure = (identity: string, code: number, text: string) => ({ identity, reply: { code, text } });

describe('relay/answer', () => {
  it('REQ-IMXP-030 gives the code and text of the only failing recipient', () => {
    expect(combine([failure('fred@example.com', 537, 'access denied')])).to.deep.equal({
      code: 537,
      text: 'access denied',
    });
  });

  it('gives the common reply when all recipients failed alike', () => {
    const reply = combine([failure('a@x.example', 450, 'not attached'), failure('b@x.example', 450, 'not attached')]);
    expect(reply).to.deep.equal({ code: 450, text: 'not attached' });
  });

  it('keeps a common code and lists the texts when they differ', () => {
    const reply = combine([failure('a@x.example', 550, 'unknown'), failure('b@x.example', 550, 'no relay')]);
    expect(reply).to.deep.equal({ code: 550, text: 'a@x.example unknown\nb@x.example no relay' });
  });

  it('answers 450 to a mixture with a transient failure, with one line for each recipient and its code', () => {
    const reply = combine([failure('a@x.example', 550, 'unknown'), failure('b@x.example', 450, 'busy')]);
    expect(reply).to.deep.equal({ code: 450, text: 'a@x.example 550\nb@x.example 450' });
  });

  it('answers 451 to a mixture in which one recipient may have been reached: 450 would say that none was', () => {
    for (const code of [450, 421, 537, 550]) {
      const reply = combine([failure('a@x.example', code, ''), failure('b@x.example', 451, 'no answer')]);
      expect(reply.code).to.equal(451);
    }
    const expired = { identity: 'b@x.example', reply: REPLIES.expired };
    expect(combine([failure('a@x.example', 450, 'busy'), expired]).code).to.equal(451);
  });

  it('gives a Data without an answer the same code toward a relay and an endpoint', () => {
    for (const why of ['unsent', 'lost', 'timeout', 'unreadable'] as const) {
      for (const relay of [true, false]) expect(unanswered(why, relay).code).to.equal(codeUnanswered(why));
    }
    expect(codeUnanswered('unsent')).to.equal(450);
    expect(codeUnanswered('lost')).to.equal(451);
  });

  it('answers 550 to a mixture of permanent failures', () => {
    const reply = combine([failure('a@x.example', 537, 'denied'), failure('b@x.example', 504, 'option')]);
    expect(reply).to.deep.equal({ code: 550, text: 'a@x.example 537\nb@x.example 504' });
  });

  it('bounds the text when a thousand recipients fail', () => {
    const failures = Array.from({ length: 1000 }, (_, at) => failure(`r${at}@x.example`, 450 + (at % 2) * 100, ''));
    const { text } = combine(failures);
    expect(text.split('\n')).to.have.length(65);
    expect(text).to.match(/and 936 more$/);
  });
});
