package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/collectors"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/rs/zerolog/log"
)

func main() {
	host := flag.String("host", "localhost", "where the API listens")
	port := flag.String("port", "8474", "the API's port")
	config := flag.String("config", "", "JSON file of the proxies that are there from the beginning")
	proxyMetrics := flag.Bool("proxy-metrics", false, "/metrics tells of proxies")
	runtimeMetrics := flag.Bool("runtime-metrics", false, "/metrics tells of the process")
	flag.Parse()
	logger, err := newLogger(os.Getenv("LOG_LEVEL"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "toxiproxy: LOG_LEVEL:", err)
		os.Exit(2)
	}
	log.Logger = logger // toxics log there

	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), logger)
	if *proxyMetrics {
		server.Metrics.ProxyMetrics = collectors.NewProxyMetricCollectors()
	}
	if *runtimeMetrics {
		server.Metrics.RuntimeMetrics = collectors.NewRuntimeMetricCollectors()
	}
	if *config != "" {
		server.PopulateConfig(*config)
	}
	if err := serve(server, net.JoinHostPort(*host, *port)); err != nil {
		fmt.Fprintln(os.Stderr, "toxiproxy:", err)
		os.Exit(1)
	}
}

// serve serves until it is told to end.
func serve(server *toxiproxy.ApiServer, addr string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Listen(addr) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return server.Shutdown()
	}
}

// newLogger logs from a level on, such as error; "": everything.
func newLogger(level string) (zerolog.Logger, error) {
	logger := zerolog.New(os.Stdout).With().Timestamp().Logger()
	if level == "" {
		return logger, nil
	}
	l, err := zerolog.ParseLevel(level)
	return logger.Level(l), err
}
