"""The dashboards, in the order in which an operator reads them."""

from ops.grafana.business import business_page
from ops.grafana.kafka_and_postgres import kafka_and_postgres_page
from ops.grafana.livekit import livekit_page
from ops.grafana.service import service_page

PAGES = (service_page(), kafka_and_postgres_page(), livekit_page(), business_page())
