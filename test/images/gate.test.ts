import { expect } from 'chai';
import { Gate } from '../../lib/images/gate.js';
import { Random } from '../../lib/random.js';

describe('a gate', () => {
  it('lets works of one kind run together, and each of the other kind by itself, in any order', async () => {
    const random = new Random(7);
    const gate = new Gate();
    let [together, alone, most, done] = [0, 0, 0, 0];
    const pause = async () => {
      for (let i = random.integer(4); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
    };
    const shared = async () => {
      most = Math.max(most, ++together);
      expect(alone).to.equal(0);
      await pause();
      together--;
      done++;
    };
    const single = async () => {
      alone++;
      expect([together, alone]).to.deep.equal([0, 1]);
      await pause();
      alone--;
      done++;
    };
    const works = Array.from({ length: 500 }, async () => {
      await pause();
      await (random.uniform() < 0.2 ? gate.alone(single) : gate.together(shared));
    });
    await Promise.all(works);
    expect(done).to.equal(500);
    expect(most).to.be.above(1);
  });

  it('opens again after a work that failed', async () => {
    const gate = new Gate();
    const failing = () => Promise.reject(new Error('broken'));
    const failures = await Promise.allSettled([gate.together(failing), gate.alone(failing), gate.alone(failing)]);
    expect(failures.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected', 'rejected']);
    expect(await gate.together(() => Promise.resolve(1))).to.equal(1);
    expect(await gate.alone(() => Promise.resolve(2))).to.equal(2);
  });
});
