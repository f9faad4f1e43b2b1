import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { hueOf } from '../../web/chat/words.js';

const LEAST_CONTRAST = 4.5;

/** Contrast of white text on a colour of HSL (WCAG 2.2, relative luminance). */
function contrastWithWhite(hue: number, saturation: number, lightness: number): number {
  const chroma = saturation * Math.min(lightness, 1 - lightness);
  const channel = (offset: number): number => {
    const turn = (offset + hue / 30) % 12;
    const value = lightness - chroma * Math.max(-1, Math.min(turn - 3, 9 - turn, 1));
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 1.05 / (0.2126 * channel(0) + 0.7152 * channel(8) + 0.0722 * channel(4) + 0.05);
}

describe('the faces of the chat page', () => {
  it('have initials with enough contrast in every colour, in both themes', async () => {
    const css = await readFile(new URL('../../web/chat/app.css', import.meta.url), 'utf8');
    const face = /\.face \{[^}]*background: hsl\(var\(--hue\) (\d+)% (\d+)%\);\s*color: #fff;/.exec(css);
    expect(face).to.not.equal(null);
    const hues = [...css.matchAll(/\.hue-\d \{\s*--hue: (\d+);/g)].map(([, hue]) => Number(hue));
    expect(new Set(hues).size).to.equal(8);
    for (const hue of hues) {
      const contrast = contrastWithWhite(hue, Number(face?.[1]) / 100, Number(face?.[2]) / 100);
      expect(contrast, `hue ${hue}`).to.be.at.least(LEAST_CONTRAST);
    }
  });

  it('have a colour by address, which stays, and different people have different ones', () => {
    const people = ['fred', 'barney', 'wilma', 'dino', 'anna', 'ben'].map((name) => `${name}@example.com`);
    const colours = people.map((address) => hueOf(address, 8));
    expect(people.map((address) => hueOf(address, 8))).to.deep.equal(colours);
    expect(new Set(colours).size).to.be.at.least(4);
  });
});
