import { expect } from 'chai';
import { combine } from '../../lib/relay/answer.js';

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

  it('answers 450 to a mixture with a transient failure, a recipient and its code a line', () => {
    const reply = combine([failure('a@x.example', 550, 'unknown'), failure('b@x.example', 451, 'no answer')]);
    expect(reply).to.deep.equal({ code: 450, text: 'a@x.example 550\nb@x.example 451' });
  });

  it('answers 550 to a mixture of permanent failures', () => {
    const reply = combine([failure('a@x.example', 537, 'denied'), failure('b@x.example', 504, 'option')]);
    expect(reply).to.deep.equal({ code: 550, text: 'a@x.example 537\nb@x.example 504' });
  });

  it('keeps the text within bounds when a thousand recipients fail', () => {
    const failures = Array.from({ length: 1000 }, (_, at) => failure(`r${at}@x.example`, 450 + (at % 2) * 100, ''));
    const { text } = combine(failures);
    expect(text.split('\n')).to.have.length(65);
    expect(text).to.match(/and 936 more$/);
  });
});
