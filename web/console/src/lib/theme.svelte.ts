/** Light or dark: as the system says, or as chosen here. */
export type Theme = "system" | "light" | "dark";

const KEY = "cohost.console.theme";
const THEMES: Theme[] = ["system", "light", "dark"];

class ThemeChoice {
  theme = $state<Theme>(THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? "system");

  constructor() {
    this.#show();
  }

  choose(theme: Theme): void {
    this.theme = theme;
    localStorage.setItem(KEY, theme);
    this.#show();
  }

  #show(): void {
    document.documentElement.dataset["theme"] = this.theme;
  }
}

export const themeChoice = new ThemeChoice();
