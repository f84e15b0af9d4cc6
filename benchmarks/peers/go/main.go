// SPDX-License-Identifier: BSL-1.0
// main.go: what do the rows of the C++ benchmarks cost with goroutines?
//
// Usage: go run . [-rows REGEX] [-min-time SECONDS]
// Prints a line for each row: its name and the nanoseconds of one item (of the whole run for the primes; the bytes of one
// for parked_bytes). As in the C++
// programs one iteration is one whole run, runs are repeated until the time is up, and SLUICE_BENCHMARK_DIVISOR shortens them.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"
)

var steps = scaled(250_000) * 4

const noEnd = math.MaxInt

var rows = []struct {
	name  string
	items int
	run   func()
}{
	{"ping_pong", steps, func() { pingPong(steps) }},
	{"1_to_1_through_128", steps, func() { manyToMany(1, 1, 128, steps) }},
	{"4_to_4_through_128", steps, func() { manyToMany(4, 4, 128, steps) }},
	{"4_to_1_rendezvous", steps, func() { manyToMany(4, 1, 0, steps) }},
	{"five_hops_rendezvous", steps, func() { fiveHops(0, steps) }},
	{"five_hops_of_64", steps, func() { fiveHops(64, steps) }},
	{"select_over_4_rendezvous", steps, func() { selectOverFour(0, steps) }},
	{"select_over_4_of_16", steps, func() { selectOverFour(16, steps) }},
	{"spawn_and_join", steps, func() { spawnAndJoin(steps) }},
	{"spawn_and_join_each", steps, func() { spawnAndJoinEach(steps) }},
	{"skynet_over_channels", leaves(), func() { skynet(leaves()) }},
	{"yield", steps, func() { yieldOften(steps) }},
	{"limit_100_by_sized_wait_group", steps, func() { throughASizedWaitGroup(steps) }},
	{"limit_100_by_errgroup", steps, func() { throughAnErrgroup(steps) }},
	{"wait_on_a_semaphore_of_100", steps, func() { onOneSemaphore(steps) }},
	{"pipeline_of_5_over_channels_of_64", steps, func() { pipelineOf5(64, steps) }},
	{"pipeline_unordered_8", steps, func() { through8Workers(steps) }},
	{"race_three_ready", steps, func() { raceThreeReady(steps) }},
	{"primes_up_to_22307", 1, func() { sieve(scaled(22_307), noEnd) }},
	{"first_2500_primes", 1, func() { sieve(noEnd, scaled(2_500)) }}, // last: leaves its goroutines behind
}

// Rows of which only a part counts: run returns how long that took.
var rowsInPart = []struct {
	name  string
	items int
	run   func() time.Duration
}{
	{"wake_by_close", steps, func() time.Duration { return wakeByClose(steps) }},
}

func main() {
	wanted := flag.String("rows", "", "a regular expression: the rows to run")
	minTime := flag.Float64("min-time", 0.5, "repeat a row for so many seconds")
	flag.Parse()
	pattern := regexp.MustCompile(*wanted)

	runtime.GOMAXPROCS(2)
	if pattern.MatchString("parked_bytes") { // first: later ones reuse the stacks of those that have ended
		fmt.Printf("parked_bytes %.3f\n", bytesOfWaiters(steps))
	}
	for _, row := range rowsInPart {
		if pattern.MatchString(row.name) {
			fmt.Printf("%s %.3f\n", row.name, measure(row.run, *minTime)/float64(row.items))
		}
	}
	for _, row := range rows {
		if pattern.MatchString(row.name) {
			fmt.Printf("%s %.3f\n", row.name, measure(timed(row.run), *minTime)/float64(row.items))
		}
	}
}

func timed(run func()) func() time.Duration {
	return func() time.Duration {
		start := time.Now()
		run()
		return time.Since(start)
	}
}

// measure returns the nanoseconds of one run. As Google Benchmark does, it tries more runs until they last long enough,
// and counts only the last try.
func measure(run func() time.Duration, minTime float64) float64 {
	for runs := 1; ; {
		var sum time.Duration
		for range runs {
			sum += run()
		}
		elapsed := sum.Seconds()
		if elapsed >= minTime {
			return elapsed * 1e9 / float64(runs)
		}
		grow := math.Min(10, 1.4*minTime/elapsed)
		runs = int(math.Ceil(float64(runs) * math.Max(grow, 1.1)))
	}
}

func scaled(n int) int {
	text, given := os.LookupEnv("SLUICE_BENCHMARK_DIVISOR")
	if !given {
		return n
	}
	divisor, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n / divisor
}

// --- who sends and who receives ---

func sendNumbers(out chan<- int, count int) {
	for i := range count {
		out <- i
	}
}

func receiveAll(in <-chan int) {
	for range in {
	}
}

func relay(in <-chan int, out chan<- int) {
	for v := range in {
		out <- v
	}
	close(out)
}

// --- the rows ---

func pingPong(trips int) {
	there := make(chan int)
	back := make(chan int)
	go relay(there, back)
	for i := range trips {
		there <- i
		<-back
	}
	close(there)
	<-back
}

func manyToMany(senders, receivers, capacity, items int) {
	ch := make(chan int, capacity)
	var sending, receiving sync.WaitGroup
	for range senders {
		start(&sending, func() { sendNumbers(ch, items/senders) })
	}
	for range receivers {
		start(&receiving, func() { receiveAll(ch) })
	}
	sending.Wait()
	close(ch)
	receiving.Wait()
}

func fiveHops(capacity, items int) {
	var stages sync.WaitGroup
	source := make(chan int, capacity)
	end := source
	for range 4 {
		in, out := end, make(chan int, capacity)
		start(&stages, func() { relay(in, out) })
		end = out
	}
	start(&stages, func() { receiveAll(end) })
	sendNumbers(source, items)
	close(source)
	stages.Wait()
}

func countUp(out chan<- int, last int) {
	for n := 2; n <= last; n++ {
		out <- n
	}
	close(out)
}

func passWhatIsNotDividedBy(prime int, in <-chan int, out chan<- int) {
	for n := range in {
		if n%prime != 0 {
			out <- n
		}
	}
	close(out)
}

// sieve ends with the last prime up to last or with the wanted-th: the goroutines are then left as they are.
func sieve(last, wanted int) {
	candidates := make(chan int)
	go countUp(candidates, last)
	for range wanted {
		prime, ok := <-candidates
		if !ok {
			break
		}
		passed := make(chan int)
		go passWhatIsNotDividedBy(prime, candidates, passed)
		candidates = passed
	}
}

func selectOverFour(capacity, messages int) {
	a := make(chan int, capacity)
	b := make(chan int, capacity)
	c := make(chan int, capacity)
	d := make(chan int, capacity)
	var senders sync.WaitGroup
	for _, ch := range []chan int{a, b, c, d} {
		start(&senders, func() { sendNumbers(ch, messages/4) })
	}

	sum := 0
	for range messages {
		select {
		case v := <-a:
			sum += v
		case v := <-b:
			sum += v * 2
		case v := <-c:
			sum += v * 3
		case v := <-d:
			sum += v * 4
		}
	}
	sink = sum
	senders.Wait()
}

func nothing() {}

func spawnAndJoin(count int) {
	var all sync.WaitGroup
	for range count {
		start(&all, nothing)
	}
	all.Wait()
}

func spawnAndJoinEach(count int) {
	for range count {
		ended := make(chan struct{})
		go func() { close(ended) }()
		<-ended
	}
}

func leaves() int {
	if steps >= 1_000_000 {
		return 1_000_000
	}
	return 1_000
}

func skynet(leaves int) {
	result := make(chan int)
	go skynetNode(result, 0, leaves)
	sink = <-result
}

func skynetNode(out chan<- int, first, leaves int) {
	if leaves == 1 {
		out <- first
		return
	}
	results := make(chan int)
	for i := range 10 {
		go skynetNode(results, first+i*leaves/10, leaves/10)
	}
	sum := 0
	for range 10 {
		sum += <-results
	}
	out <- sum
}

func startWaiters(ch <-chan int, ended *sync.WaitGroup, count int) {
	var came sync.WaitGroup
	came.Add(count)
	for range count {
		start(ended, func() {
			came.Done()
			<-ch
		})
	}
	came.Wait()
}

func wakeByClose(count int) time.Duration {
	ch := make(chan int)
	var all sync.WaitGroup
	startWaiters(ch, &all, count)
	begin := time.Now()
	close(ch)
	all.Wait()
	return time.Since(begin)
}

func bytesOfWaiters(count int) float64 {
	var before, after runtime.MemStats
	ch := make(chan int)
	var all sync.WaitGroup
	runtime.ReadMemStats(&before)
	startWaiters(ch, &all, count)
	runtime.ReadMemStats(&after)
	close(ch)
	all.Wait()
	return float64(after.Sys-before.Sys) / float64(count)
}

func yieldOften(times int) {
	for range times {
		runtime.Gosched()
	}
}

// A sized wait group, as the widely used module does it.
type sizedWaitGroup struct {
	slots chan struct{}
	all   sync.WaitGroup
}

func (g *sizedWaitGroup) Add() {
	g.slots <- struct{}{}
	g.all.Add(1)
}
func (g *sizedWaitGroup) Done() {
	<-g.slots
	g.all.Done()
}

func throughASizedWaitGroup(count int) {
	group := sizedWaitGroup{slots: make(chan struct{}, 100)}
	for range count {
		group.Add()
		go func() {
			defer group.Done()
			nothing()
		}()
	}
	group.all.Wait()
}

// The errgroup of golang.org/x/sync with a limit and a context.
type errgroup struct {
	sizedWaitGroup
	once   sync.Once
	err    error
	cancel context.CancelFunc
}

func (g *errgroup) Go(f func() error) {
	g.Add()
	go func() {
		defer g.Done()
		if err := f(); err != nil {
			g.once.Do(func() {
				g.err = err
				g.cancel()
			})
		}
	}()
}
func (g *errgroup) Wait() error {
	g.all.Wait()
	g.cancel()
	return g.err
}

func throughAnErrgroup(count int) {
	_, cancel := context.WithCancel(context.Background())
	group := errgroup{sizedWaitGroup: sizedWaitGroup{slots: make(chan struct{}, 100)}, cancel: cancel}
	for range count {
		group.Go(func() error { return nil })
	}
	if err := group.Wait(); err != nil {
		panic(err)
	}
}

// All permits are taken until all goroutines wait.
func onOneSemaphore(count int) {
	slots := make(chan struct{}, 100)
	for range 100 {
		slots <- struct{}{}
	}
	var came, all sync.WaitGroup
	came.Add(count)
	for range count {
		start(&all, func() {
			came.Done()
			slots <- struct{}{}
			<-slots
		})
	}
	came.Wait()
	for range 100 {
		<-slots
	}
	all.Wait()
}

func start(group *sync.WaitGroup, f func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		f()
	}()
}

// sink keeps a result that nobody reads from being optimized away.
var sink int

// stage applies f to what comes, as the stages of the pipelines do.
func stage(in <-chan uint64, out chan<- uint64, f func(uint64) (uint64, bool)) {
	for item := range in {
		if result, keep := f(item); keep {
			out <- result
		}
	}
	close(out)
}

func pipelineOf5(capacity, items int) {
	stages := []func(uint64) (uint64, bool){
		func(v uint64) (uint64, bool) { return v + 1, true },
		func(v uint64) (uint64, bool) { return v ^ v>>7, true },
		func(v uint64) (uint64, bool) { return v * 3, true },
		func(v uint64) (uint64, bool) { return v, v%2 == 1 },
	}
	source := make(chan uint64, capacity)
	go func() {
		for i := range items {
			source <- uint64(i)
		}
		close(source)
	}()
	var in <-chan uint64 = source
	for _, f := range stages {
		out := make(chan uint64, capacity)
		go stage(in, out, f)
		in = out
	}
	total := uint64(0)
	for v := range in {
		total += v / 2
	}
	keep(total)
}

var kept uint64

func keep(v uint64) { kept += v }

// workOn is about 130 ns of work: each step waits for the one before.
func workOn(item uint64) uint64 {
	for range 100 {
		item = item*6364136223846793005 + 1442695040888963407
	}
	return item
}

func through8Workers(items int) {
	in, out := make(chan uint64, 64), make(chan uint64, 64)
	go func() {
		for i := range items {
			in <- uint64(i)
		}
		close(in)
	}()
	var workers sync.WaitGroup
	for range 8 {
		start(&workers, func() {
			for item := range in {
				out <- workOn(item)
			}
		})
	}
	go func() {
		workers.Wait()
		close(out)
	}()
	total := uint64(0)
	for v := range out {
		total += v
	}
	keep(total)
}

func raceThreeReady(times int) {
	for range times {
		ctx, cancel := context.WithCancel(context.Background())
		answers := make(chan int, 3)
		var racers sync.WaitGroup
		for i := range 3 {
			start(&racers, func() {
				if ctx.Err() == nil {
					answers <- i
				}
			})
		}
		keep(uint64(<-answers))
		cancel()
		racers.Wait()
	}
}
