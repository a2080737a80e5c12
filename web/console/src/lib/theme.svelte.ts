/** Light or dark: as the system says, or as chosen here. */
export type Theme = "system" | "light" | "dark";

const KEY = "cohost.console.theme";
const THEMES: Theme[] = ["system", "light", "dark"];
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

class ThemeChoice {
  theme = $state<Theme>(THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? "system");
  #systemIsDark = $state(systemIsDark.matches);

  constructor() {
    this.#show();
    systemIsDark.addEventListener("change", () => {
      this.#systemIsDark = systemIsDark.matches;
    });
  }

  get isDark(): boolean {
    return this.theme === "system" ? this.#systemIsDark : this.theme === "dark";
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
