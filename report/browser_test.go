package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser starts a headless Chromium, or skips the test where there is none: with
// PVLOCK_BROWSER=require that is an error.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	switch {
	case path == "" && os.Getenv("PVLOCK_BROWSER") == "require":
		t.Fatal("PVLOCK_BROWSER=require, and there is no Chromium on the PATH")
	case path == "":
		t.Skip("NOT TESTED IN A BROWSER: there is no Chromium on the PATH. Install it (Debian: " +
			"apt-get install chromium); PVLOCK_BROWSER=require makes its absence an error.")
	}
	// As root, which is usual in containers, the browser has no sandbox.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.NoSandbox, chromedp.WSURLReadTimeout(2*time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, quit := chromedp.NewContext(ctx)
	t.Cleanup(quit)
	if err := chromedp.Do(ctx, chromedp.Func(enableLog)); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return ctx
}

func enableLog(ctx context.Context, t *chromedp.Target) error {
	_, err := cdp.Call(ctx, t, log.Enable, cdp.Empty{})
	return err
}

// complaints collects what the page writes to the console, and what the browser has to say of it.
func complaints(t *testing.T, ctx context.Context) func() []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	add := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, text)
	}
	err := chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			add("exception: " + ev.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			add(fmt.Sprintf("console.%s", ev.Type))
		case *log.EventEntryAdded:
			add(fmt.Sprintf("%s: %s", ev.Entry.Level, ev.Entry.Text))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// seen is what of the page the browser has laid out.
type seen struct {
	Overflow int
	Dark     bool
	// Series are "plot/series: n", with n the points that have a size and lie in their plot; Blank
	// the plots without a series that has.
	Series []string
	Blank  []string
	Tracks int
	// Folded is how many tables can't be seen.
	Folded int
	// Small is the smallest text of a plot, in CSS pixels.
	Small float64
}

const lookAround = `(() => {
	const inside = (a, b) => a.width > 0 && a.height > 0 &&
		a.left >= b.left - 1 && a.right <= b.right + 1 &&
		a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
	const folded = t => !t.checkVisibility({contentVisibilityAuto: true}) ||
		t.getBoundingClientRect().height == 0;
	const out = {
		Overflow: document.scrollingElement.scrollWidth - innerWidth,
		Dark: matchMedia("(prefers-color-scheme: dark)").matches,
		Series: [], Blank: [], Tracks: 0, Small: 100,
		Folded: [...document.querySelectorAll("table")].filter(folded).length,
	};
	for (const figure of document.querySelectorAll("figure")) {
		const svg = figure.querySelector("svg.plot"), box = svg.getBoundingClientRect();
		for (const s of svg.querySelectorAll("g.series")) {
			const points = [...s.querySelectorAll(".point")].filter(
				p => inside(p.getBoundingClientRect(), box));
			out.Series.push(figure.id + "/" + s.dataset.series + ": " + points.length);
		}
		const tracks = [...svg.querySelectorAll("g.track")].filter(
			s => s.querySelector("path.bar"));
		out.Tracks += tracks.length;
		if (!svg.querySelector("g.series .point") && !tracks.length) out.Blank.push(figure.id);
		const scale = box.width / svg.viewBox.baseVal.width;
		if (figure.className != "timeline") for (const text of svg.querySelectorAll("text"))
			out.Small = Math.min(out.Small, parseFloat(getComputedStyle(text).fontSize) * scale);
	}
	return out;
})()`

func TestInABrowserAtTwoWidthsInBothThemes(t *testing.T) {
	files := samples()
	page := render(t, files...)
	name := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(name, page, 0o600); err != nil {
		t.Fatal(err)
	}
	want := drawn(t, page)
	ctx := browser(t)
	said := complaints(t, ctx)
	for _, width := range []int64{360, 1400} {
		for _, theme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d %s", width, theme), func(t *testing.T) {
				err := chromedp.Do(ctx, inTheme(theme), chromedp.EmulateViewport(width, 900),
					chromedp.Navigate("file://"+name))
				if err != nil {
					t.Fatal(err)
				}
				have, err := chromedp.Run(ctx, chromedp.Evaluate[seen](lookAround))
				if err != nil {
					t.Fatal(err)
				}
				if have.Overflow > 0 {
					t.Errorf("the page is %d px wider than the window", have.Overflow)
				}
				if have.Dark != (theme == "dark") {
					t.Errorf("dark: %v", have.Dark)
				}
				if len(have.Series) != len(want) {
					t.Errorf("%d series are drawn, want %d", len(have.Series), len(want))
				}
				for i := range min(len(have.Series), len(want)) {
					if have.Series[i] != want[i] {
						t.Errorf("%s points are drawn, want %s", have.Series[i], want[i])
					}
				}
				if len(have.Blank) > 0 {
					t.Errorf("nothing is drawn in %v", have.Blank)
				}
				if have.Tracks != tracks(files) {
					t.Errorf("%d tracks of timelines, want %d", have.Tracks, tracks(files))
				}
				if have.Small < 8 {
					t.Errorf("the smallest text of a plot is %.1f px high", have.Small)
				}
				shoot(t, ctx, fmt.Sprintf("%d-%s.png", width, theme))
			})
		}
	}
	t.Run("in print", func(t *testing.T) {
		if err := chromedp.Do(ctx, inPrint, chromedp.EmulateViewport(740, 1000),
			chromedp.Navigate("file://"+name)); err != nil {
			t.Fatal(err)
		}
		have, err := chromedp.Run(ctx, chromedp.Evaluate[seen](lookAround))
		if err != nil {
			t.Fatal(err)
		}
		if have.Overflow > 0 || have.Folded > 0 {
			t.Errorf("%d px too wide, %d tables are folded away", have.Overflow, have.Folded)
		}
		shoot(t, ctx, "print.png")
	})
	if all := said(); all != nil {
		t.Errorf("the browser says %q", all)
	}
}

func inTheme(theme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
		})
		return err
	})
}

var inPrint = chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
	_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Media: "print"})
	return err
})

// shoot writes a picture of the whole page to the directory that PVLOCK_SCREENSHOTS names.
func shoot(t *testing.T, ctx context.Context, name string) {
	dir := os.Getenv("PVLOCK_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o600); err != nil {
		t.Fatal(err)
	}
}
